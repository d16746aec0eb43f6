"""Imports a folder and dies at a chosen step: `kill_program.py URL HOME FOLDER`.

Reads step numbers on stdin, one a line. For each it forks a process that kills itself, as `kill -9` does, at that step
of an import, and prints `killed` or `finished`. Steps are statements sent to the database, commits and,
with SQLite, calls that change a disk; these are the same with PostgreSQL, where each step takes four times as long.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from panope_registry.session import RegistrySession

DISK_CALLS = ("open", "write", "fsync", "fchmod", "mkdir", "rename", "replace", "link", "unlink", "rmdir")


class Steps:
    """Counts steps and ends the process at the last."""

    def __init__(self, last: int) -> None:
        self._left = last

    def step(self, *_: object, **__: object) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def before(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **more: Any) -> Any:
            self.step()
            return call(*args, **more)

        return counted


def run(last_step: int, url: str, home: Path, folder: Path) -> None:
    steps = Steps(last_step)
    for name in () if url.startswith("postgresql") else DISK_CALLS:
        setattr(os, name, steps.before(getattr(os, name)))
    for moment in ("before_cursor_execute", "commit"):
        event.listen(Engine, moment, steps.step)
    session = RegistrySession.open(url, home)
    registry = session.registry
    registry.import_folder(folder, "v/m")
    session.close()


def main() -> None:
    url, home, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            run(int(line), url, home, folder)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if not killed and os.waitstatus_to_exitcode(status) != 0:
            sys.exit("the import failed by itself")
        print("killed" if killed else "finished", flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
