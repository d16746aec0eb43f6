"""Panope's commands on a home, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def panope(home: Path, *arguments: str, python: str = sys.executable) -> str:
    """Runs a command; its output."""
    command = [python, "-m", "panope_server", *arguments, "--home", str(home)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def import_model(home: Path, name: str, folder: Path, python: str = sys.executable) -> None:
    """Imports a folder as a model."""
    panope(home, "import", str(folder), "--name", name, python=python)
