"""Somebody who does what a page of the documentation says: its files written down, its commands run."""

from __future__ import annotations

import os
import re
import shlex
import site
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uv import find_uv_bin

DOCS = Path(__file__).resolve().parents[1] / "docs"
FILE = re.compile(r"^`([\w/]+\.\w+)`[^\n]*(?:\n[^\n]+)*\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


def clean_environment() -> dict[str, str]:
    """This process's environment without a developer's settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PANOPE_")}


@dataclass(frozen=True)
class Environment:
    """A virtual environment of a test's own, above the packages of the one that runs the tests.

    It has `python`, `panope`, and a `uv` that builds and installs packages without asking an index.
    """

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> Environment:
        """Makes one in a new folder."""
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        made = cls(folder)
        above = "".join(f"import site; site.addsitedir({path!r})\n" for path in site.getsitepackages())
        (made.packages / "above.pth").write_text(above)
        flags = "--offline --no-deps --no-build-isolation"
        made._script("panope", f'exec "{made.python}" -m panope_server "$@"')
        made._script("uv", f'exec "{find_uv_bin()}" "$@" {flags}')
        return made

    @property
    def python(self) -> Path:
        return self.folder / "bin/python"

    @property
    def packages(self) -> Path:
        """Where packages are installed."""
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    @property
    def variables(self) -> dict[str, str]:
        """As after its activation."""
        environment = clean_environment()
        path = os.pathsep.join([str(self.folder / "bin"), environment["PATH"]])
        return environment | {"VIRTUAL_ENV": str(self.folder), "PATH": path}

    def run(self, command: str, folder: Path, **variables: str) -> str:
        """Runs a line of a shell in a folder, to its end; what it printed."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env=self.variables | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}"
        return done.stdout

    def _script(self, name: str, line: str) -> None:
        script = self.folder / "bin" / name
        script.write_text(f"#!/bin/sh\n{line}\n")
        script.chmod(0o755)


@dataclass(frozen=True)
class Reader:
    """A reader in a folder of their own.

    Attributes:
        files: the page's, by name, which are in the package's folder.
        lines: of a shell, in the page's order.
        environment: that Panope is installed in.
    """

    folder: Path
    files: dict[str, str]
    lines: list[str]
    environment: Environment

    @classmethod
    def of(cls, page: str, package: str, folder: Path) -> Reader:
        """Writes the page's files into a folder `package`; installs nothing yet."""
        text = (DOCS / page).read_text()
        files = dict(FILE.findall(text))
        for name, content in files.items():
            path = folder / package / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        lines = [line.removeprefix("$ ") for block in CONSOLE.findall(text) for line in block.splitlines()]
        return cls(folder, files, lines, Environment.create(folder / ".venv"))

    def line(self, *words: str) -> str:
        """The page's only line with these words."""
        (found,) = {line for line in self.lines if all(word in line for word in words)}
        return found

    def do(self, *words: str, **variables: str) -> str:
        """Runs that line; what it printed."""
        return self.environment.run(self.line(*words), self.folder, **variables)

    def serve(self, servers: Any, home: Path, *words: str, envoy: bool = False) -> Any:
        """Runs the page's line `panope serve` with these words, or without any, on ports of the test's own."""
        lines = [line for line in self.lines if "panope serve" in line and bool(words) == ("--" in line)]
        (line,) = (line for line in lines if all(word in line for word in words))
        before, flags = line.split("panope serve")
        variables = {name: str(self.folder / value) for name, value in (word.split("=") for word in before.split())}
        python = self.environment.python
        return servers.start(*shlex.split(flags), home=home, envoy=envoy, demo=False, python=python, **variables)
