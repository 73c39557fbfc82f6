"""Metrics, asked as a user asks them: `riskmart mf` on a published warehouse."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from copies import REPOSITORY, Copy, call

# What a user starts, in a process that ends where anything reaches for a network.
# libpq's own connections are none of Python's sockets.
_PROGRAM = """
import os, socket, sys

def refuse(*_, **__):
    os.write(2, b"a network connection")
    os._exit(70)

socket.getaddrinfo = socket.socket.connect = refuse
from python_scoring import cli
cli.main()
"""


class Asking:
    """A published warehouse, and `riskmart mf` on it."""

    def __init__(self, copy: Copy, folder: Path) -> None:
        self.copy = copy
        self.folder = folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(REPOSITORY),
            "RISKMART_PROJECT_DIR": str(copy.project),
            "RISKMART_HOME": str(copy.home),
            "RISKMART_DSN": copy.dsn,
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-c", _PROGRAM, *arguments]
        return call(command, self.environment, self.folder)

    def mf(self, *arguments: str) -> str:
        done = self.run("mf", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def query(
        self, metrics: Sequence[str], by: Sequence[str], *more: str
    ) -> pd.DataFrame:
        """Ask metrics by dimensions; columns lose what stands before `__`."""
        file = self.folder / "answer.csv"
        asked = ["--metrics", ",".join(metrics), "--group-by", ",".join(by)]
        self.mf("query", *asked, *more, "--csv", str(file))
        frame = pd.read_csv(file)
        return frame.rename(columns=lambda name: name.rpartition("__")[2])

    def sql(self, query: str) -> pd.DataFrame:
        with self.copy.in_force():
            return self.copy.frame(query)
