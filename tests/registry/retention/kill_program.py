"""Removes files from a store and dies at a chosen step: `kill_program.py URL HOME ACTION ARGUMENT`.

Reads step numbers on stdin, one a line. For each it forks a process that kills itself, as `kill -9` does, at that step
of the action, and prints `killed` or `finished`. Steps are statements sent to the database, commits
and, with SQLite, calls that change a disk; these are the same with PostgreSQL, where each step takes longer.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from panope_registry.retention.retention import RetentionManager
from panope_registry.retention.types import Ages, Quota
from panope_registry.session import RegistrySession

DISK_CALLS = ("open", "write", "fsync", "mkdir", "rename", "replace", "link", "unlink", "rmdir")


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


def run(last_step: int, url: str, home: Path, action: str, argument: str) -> None:
    session = RegistrySession.open(url, home)
    quota = Quota(free_floor_bytes=0)
    retention = RetentionManager(session.database, session.store, quota=quota, ages=Ages(orphan=timedelta(0)))
    steps = Steps(last_step)
    for name in () if url.startswith("postgresql") else DISK_CALLS:
        setattr(os, name, steps.before(getattr(os, name)))
    for moment in ("before_cursor_execute", "commit"):
        event.listen(Engine, moment, steps.step)
    if action == "evict":
        retention.evict(variants=[argument])
    elif action == "remove":
        retention.remove_model(argument)
    else:
        retention.collect()
    session.close()


def main() -> None:
    url, home, action, argument = sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4]
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            run(int(line), url, home, action, argument)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if not killed and os.waitstatus_to_exitcode(status) != 0:
            sys.exit("the action failed by itself")
        print("killed" if killed else "finished", flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
