"""Runs jobs in processes of their own, to be killed.

    runner_program.py URL LOG steps            for each step number on stdin: forks a runner that kills itself, as
                                               `kill -9` does, at that step; prints `killed` or `finished`
    runner_program.py URL LOG serve LEASE      one runner, until SIGTERM

Steps are statements sent to the database, and commits. Every handler writes `PID JOB_ID` to LOG when it begins.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from panope_registry.jobs import JOB_RETRIES, JobContext, Jobs, Runner
from panope_registry.tables.database import Database, open_engine

TICK = 0.01


def run(url: str, log: str, stop: threading.Event, *, concurrency: int = 1, lease_seconds: float = 30.0) -> None:
    def work(context: JobContext) -> Mapping[str, Any]:
        with open(log, "ab", buffering=0) as stream:  # noqa: PTH123 - one write to the end, whole
            stream.write(f"{os.getpid()} {context.job.id}\n".encode())
        context.progress("work", 1, 1)
        context.wait(context.job.payload.get("seconds", 0))
        if context.job.payload.get("last"):
            stop.set()
        return {"pid": os.getpid()}

    database = Database(open_engine(url))
    Runner(
        Jobs(database),
        {"work": work},
        owner=str(os.getpid()),
        concurrency=concurrency,
        lease_seconds=lease_seconds,
        tick_seconds=TICK,
        retry_policy=replace(JOB_RETRIES, base_seconds=0.1),
    ).run(stop)
    database.close()


def die_at(step: int) -> None:
    left = step

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    for moment in ("before_cursor_execute", "commit"):
        event.listen(Engine, moment, count)


def steps(url: str, log: str) -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            die_at(int(line))
            run(url, log, threading.Event())
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if not killed and os.waitstatus_to_exitcode(status) != 0:
            sys.exit("the runner failed by itself")
        print("killed" if killed else "finished", flush=True)  # noqa: T201 - the answer


def main() -> None:
    url, log, what = sys.argv[1:4]
    if what == "steps":
        steps(url, log)
        return
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    run(url, log, stop, concurrency=2, lease_seconds=float(sys.argv[4]))


if __name__ == "__main__":
    main()
