"""A real Chromium, and the dashboard for it to look at."""

import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from python_scoring.dashboard import serve

KEY = "a-key-that-everybody-knows"

_NAMES = (
    *("chromium", "chromium-browser", "google-chrome"),
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
_FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium() -> str | None:
    """Find Chromium; None where there is none."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


@contextmanager
def browser(path: str) -> Iterator[Browser]:
    """Start Chromium without a window."""
    # Chromium refuses to be root within its sandbox.
    flags = [*_FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=flags)
        try:
            yield started
        finally:
            started.close()


@contextmanager
def served(login: str | None) -> Iterator[str]:
    """Serve the warehouse in force as a login; the address of the first page."""
    port = _free_port()
    log = subprocess.DEVNULL
    process = subprocess.Popen(
        serve.command(port), env=serve.environment(login, KEY), stdout=log, stderr=log
    )
    try:
        _wait(f"http://{serve.HOST}:{port}/_stcore/health", process)
        yield serve.address(port, KEY)
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((serve.HOST, 0))
        return int(probe.getsockname()[1])


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, "the dashboard ended"
        try:
            with urllib.request.urlopen(url) as answer:
                assert answer.status == 200
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")
