"""Serve the web page: to this machine alone, and to whoever has its address."""

import os
import secrets
import sys
from pathlib import Path

KEY = "RISKMART_DASHBOARD_KEY"
LOGIN = "RISKMART_DASHBOARD_LOGIN"
HOST = "127.0.0.1"

_APP = Path(__file__).with_name("app.py")
_ROOT = _APP.parents[2]

# Nothing of this is asked of the network: no statistics, no update, no e-mail address.
_SETTINGS = {
    "server.address": HOST,
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "server.runOnSave": "false",
    "browser.gatherUsageStats": "false",
    "browser.serverAddress": HOST,
    "client.toolbarMode": "minimal",
    # An error's text may hold a person; it goes to the terminal.
    "client.showErrorDetails": "none",
    "global.developmentMode": "false",
    "logger.level": "warning",
    "theme.base": "light",
    "theme.primaryColor": "#00538a",
    "theme.textColor": "#1b1b1b",
    "theme.linkColor": "#00538a",
}


def command(port: int) -> list[str]:
    """Write the command line of the server."""
    settings = {**_SETTINGS, "server.port": str(port)}
    options = [f"--{name}={value}" for name, value in settings.items()]
    program = [sys.executable, "-P", "-m", __package__, "run", str(_APP)]
    return [*program, *options]


def environment(login: str | None, key: str) -> dict[str, str]:
    """Give the server its login and key, which no command line shows."""
    given = {KEY: key, LOGIN: login or "", "PYTHONPATH": str(_ROOT)}
    return {**os.environ, **given}


def new_key() -> str:
    """Draw the key that the address carries."""
    return secrets.token_urlsafe(16)


def address(port: int, key: str) -> str:
    """Write the address to open."""
    return f"http://{HOST}:{port}/?key={key}"
