"""The public surface of the Go client: its exported declarations."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def listing() -> str | None:
    """Every exported declaration; None without the Go toolchain."""
    go = shutil.which("go")
    if go is None:
        return None
    command = [go, "run", Path(__file__).with_suffix(".go"), "clients/go"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
