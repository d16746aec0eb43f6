"""Several processes, killed at any moment: no job is lost, none is done twice."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from panope_registry.jobs import JOB_RETRIES, Jobs, JobStatus
from panope_registry.jobs.claims import Claims
from panope_registry.jobs.clock import database_clock
from panope_registry.tables.database import Database

PROGRAM = Path(__file__).with_name("runner_program.py")


def _serve(url: str, log: Path, lease_seconds: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(PROGRAM), url, str(log), "serve", str(lease_seconds)])


def _begun(log: Path) -> list[tuple[int, int]]:
    """Process and job, in order."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [(int(pid), int(job_id)) for pid, job_id in map(str.split, lines)]


def _finish_elsewhere(database: Database, ids: list[int]) -> list[int]:
    """Does what a killed runner left, an hour later, by hand; the jobs that had to be done, in order."""
    jobs = Jobs(database, clock=lambda connection: database_clock(connection) + timedelta(hours=1))
    claims = Claims(
        database, jobs.clock, owner="b", lease_seconds=30, retry_policy=replace(JOB_RETRIES, base_seconds=0)
    )
    claims.reap()
    done = []
    while (claim := claims.claim(["work"])) is not None:
        assert claims.succeed(claim, {"pid": 0}, claim.job.progress)
        done.append(claim.job.id)
    assert {jobs.get(job_id).status for job_id in ids} == {JobStatus.SUCCEEDED}
    return done


def test_a_runner_killed_at_any_step_loses_nothing_and_what_it_ended_stays_ended(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    jobs = Jobs(database)
    left_over = set()
    command = [sys.executable, str(PROGRAM), database_url, str(log), "steps"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        for step in range(1, 1000):
            first = jobs.enqueue("work", {})
            last = jobs.enqueue("work", {"last": True}, depends_on=[first.id])
            ids = [first.id, last.id]
            program.stdin.write(f"{step}\n")
            program.stdin.flush()
            outcome = program.stdout.readline()
            before = {job_id for job_id in ids if jobs.get(job_id).status is JobStatus.SUCCEEDED}
            done = _finish_elsewhere(database, ids)
            assert before.isdisjoint(done), "a job was done twice"
            assert before.union(done) == set(ids)
            begun = [job_id for _, job_id in _begun(log) if job_id in ids]
            assert before <= set(begun)
            assert len(begun) == len(set(begun)), "one runner began a job twice"
            assert last.id not in begun or first.id in before, "it began before what it needs had ended"
            left_over.add(len(done))
            if outcome == "finished\n":
                break
    assert program.returncode == 0
    assert outcome == "finished\n"
    assert step > 20, "the steps were not counted"
    assert left_over == {0, 1, 2}, "no kill came at some step of a job"


def test_runners_of_several_processes_share_the_work_and_outlive_one_of_them(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    jobs = Jobs(database)
    ids = [jobs.enqueue("work", {"seconds": 0.1}).id for _ in range(80)]
    programs = [_serve(database_url, log, 4) for _ in range(3)]
    try:
        _wait(lambda: {pid for pid, _ in _begun(log)} == {program.pid for program in programs})
        victim = programs[0]
        victim.kill()
        _wait(lambda: all(entry.status.is_final for entry in jobs.list()))
    finally:
        for program in programs:
            program.terminate()
    assert [program.wait(30) for program in programs] == [-signal.SIGKILL, 0, 0]
    entries = [jobs.get(job_id) for job_id in ids]
    assert {entry.status for entry in entries} == {JobStatus.SUCCEEDED}
    begun = defaultdict(list)
    for pid, job_id in _begun(log):
        begun[job_id].append(pid)
    assert set(begun) == set(ids)
    assert {pid for pids in begun.values() for pid in pids} == {program.pid for program in programs}
    for entry in entries:
        assert set(begun[entry.id][:-1]) <= {victim.pid}, "a job began again that no killed runner had"
        assert entry.result == {"pid": begun[entry.id][-1]}


def test_a_runner_ends_soon_after_a_signal(database: Database, database_url: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    jobs = Jobs(database)
    entry = jobs.enqueue("work", {"seconds": 600}, max_attempts=1)
    program = _serve(database_url, log, 30)
    _wait(lambda: bool(_begun(log)))
    program.terminate()
    assert program.wait(30) == 0
    left = jobs.get(entry.id)
    assert (left.status, left.attempt) == (JobStatus.QUEUED, 0)


def test_importing_jobs_brings_nothing_heavy() -> None:
    look = (
        "import sys, panope_registry.jobs; print(*{'alembic', 'numpy', 'grpc', 'sqlalchemy.orm'} & sys.modules.keys())"
    )
    printed = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout
    assert printed.split() == []


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            pytest.fail("it did not happen within a minute")
        time.sleep(0.02)
