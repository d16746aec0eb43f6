"""Files of callers' jobs: what they take and make, on both databases and a real disk."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from panope_backends.errors import CapacityError, NotFoundError, OverloadedError, PreconditionError
from panope_registry.job_files import FileWriter, JobFile, JobFiles, JobFilesPolicy
from panope_registry.job_files.files import ORPHAN_SECONDS
from panope_registry.jobs import JOB_RETRIES, JobEntry, JobProgress, Jobs, JobStatus
from panope_registry.jobs.claims import Claims
from panope_registry.jobs.kinds import GENERATE_VIDEO
from panope_registry.session import RegistrySession

KEEP_SECONDS = 3600.0
POLICY = JobFilesPolicy(max_bytes=100, max_caller_bytes=60, max_caller_jobs=3, keep_seconds=KEEP_SECONDS)


class SetClock:
    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self, _connection: Connection) -> datetime:
        return self.moment


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def jobs(session: RegistrySession, clock: SetClock) -> Jobs:
    return Jobs(session.database, clock=clock)


@pytest.fixture
def files(jobs: Jobs, session: RegistrySession) -> JobFiles:
    return JobFiles(jobs, session.store, POLICY)


@pytest.fixture
def ask(files: JobFiles) -> Callable[..., JobEntry]:
    def ask(owner: str = "key:a", **inputs: bytes) -> JobEntry:
        return files.enqueue(GENERATE_VIDEO, {"model": "acme/wan"}, inputs, owner=owner, requested_by="ada")

    return ask


@pytest.fixture
def run(jobs: Jobs, files: JobFiles, session: RegistrySession, clock: SetClock) -> Callable[..., JobEntry]:
    """Has the job that is due first succeed with a file."""

    def run(content: bytes = b"video") -> JobEntry:
        claims = Claims(
            session.database, clock, owner="a", lease_seconds=30, retry_policy=JOB_RETRIES, store=session.store.id
        )
        claim = claims.claim([GENERATE_VIDEO])
        assert claim is not None
        with FileWriter(files.folder_of(claim.job), "0.mp4") as writer:
            writer.write(content)
            writer.finish()
        made = JobFile("0.mp4", "video/mp4", writer.size_bytes, writer.sha256)
        files.keep(claim.job, [made], claim.job.payload.get("inputs", ()))
        assert claims.succeed(claim, {"files": [made.values]}, JobProgress())
        return jobs.get(claim.job.id)

    return run


def test_a_file_is_found_until_its_time_is_over_and_then_said_to_have_expired(
    files: JobFiles, ask: Any, run: Any, clock: SetClock, jobs: Jobs
) -> None:
    ask()
    job = run()
    assert (job.owner, job.files_until) == ("key:a", clock.moment + timedelta(seconds=KEEP_SECONDS))
    file, path = files.find(job, "0.mp4")
    assert (file.size_bytes, path.read_bytes()) == (5, b"video")
    with pytest.raises(NotFoundError, match="no such file"):
        files.find(job, "1.mp4")
    clock.moment += timedelta(seconds=KEEP_SECONDS)
    with pytest.raises(NotFoundError) as expired:
        files.find(job, "0.mp4")
    assert (expired.value.reason, expired.value.details) == ("job_files_expired", {"http_status": "410"})
    assert path.exists()
    assert files.sweep() == 1
    assert not path.parent.exists()
    with pytest.raises(NotFoundError, match="have expired"):
        files.find(jobs.get(job.id), "0.mp4")
    assert files.sweep() == 0


def test_a_job_that_has_not_succeeded_has_no_files(files: JobFiles, ask: Any) -> None:
    with pytest.raises(PreconditionError) as refused:
        files.find(ask(), "0.mp4")
    assert refused.value.reason == "job_not_succeeded"


def test_files_are_deleted_before_their_time_but_not_under_a_job_that_runs(
    files: JobFiles, ask: Any, run: Any, jobs: Jobs
) -> None:
    open_job = ask(image=b"png")
    with pytest.raises(PreconditionError, match="cancel it first"):
        files.delete(open_job)
    job = run()
    folder = files.folder_of(job)
    gone = files.delete(job)
    assert not folder.exists()
    for again in (lambda: files.delete(gone), lambda: files.find(gone, "0.mp4")):
        with pytest.raises(NotFoundError, match="have expired"):
            again()


def test_callers_and_the_store_have_limits_which_what_goes_makes_room_in(
    files: JobFiles, ask: Any, run: Any, jobs: Jobs
) -> None:
    ask(image=b"x" * 30)
    ask(image=b"x" * 30)
    with pytest.raises(CapacityError, match="of this caller's jobs take 60 bytes") as full:
        ask(image=b"x")
    assert full.value.reason == "job_files_full"
    with pytest.raises(CapacityError, match="of all jobs take 100 bytes"):
        ask("key:b", image=b"x" * 41)
    ask("key:b", image=b"x" * 40)
    assert len(list(files._store.job_files.iterdir())) == 3, "what was refused leaves nothing"
    with pytest.raises(CapacityError, match="of all jobs take 100 bytes"):
        run(b"x" * 31)


def test_a_caller_has_so_many_open_jobs(ask: Any, jobs: Jobs) -> None:
    first, *_ = [ask() for _ in range(3)]
    with pytest.raises(OverloadedError) as refused:
        ask()
    assert (refused.value.reason, refused.value.retry_after_seconds) == ("too_many_jobs", 5.0)
    assert ask("key:b").id
    jobs.cancel(first.id)
    assert ask().id


def test_a_job_that_is_tried_again_is_one_of_its_callers_open_ones(files: JobFiles, ask: Any, jobs: Jobs) -> None:
    ended, other = (jobs.cancel(ask().id) for _ in range(2))
    _, last = ask(), ask()
    assert files.retry(ended.id).status is JobStatus.QUEUED
    with pytest.raises(OverloadedError) as refused:
        files.retry(other.id)
    assert refused.value.reason == "too_many_jobs"
    assert jobs.get(other.id) == other
    jobs.cancel(last.id)
    assert files.retry(other.id).status is JobStatus.QUEUED
    assert files.retry(jobs.cancel(jobs.enqueue("k", {}).id).id).status is JobStatus.QUEUED, "it is of no caller"


def test_what_a_cancelled_job_took_stays_for_its_retry_and_then_goes(
    files: JobFiles, ask: Any, jobs: Jobs, clock: SetClock
) -> None:
    job = ask(image=b"png")
    jobs.cancel(job.id)
    assert files.sweep() == 0
    assert (files.folder_of(jobs.get(job.id)) / "image").read_bytes() == b"png"
    clock.moment += timedelta(seconds=KEEP_SECONDS)
    assert files.sweep() == 1
    with pytest.raises(PreconditionError) as gone:
        files.folder_of(jobs.get(job.id))
    assert gone.value.reason == "job_files_expired"
    assert ask(image=b"x" * 60).id, "nothing is counted of it"


def test_folders_that_no_job_has_are_removed_once_they_are_old(files: JobFiles, ask: Any) -> None:
    kept = files.folder_of(ask())
    orphan, new = kept.parent / "orphan", kept.parent / "new"
    for folder in (orphan, new):
        folder.mkdir()
    old = time.time() - ORPHAN_SECONDS - 60
    for folder in (orphan, kept):
        os.utime(folder, (old, old))
    assert files.sweep() == 1
    assert (orphan.exists(), new.exists(), kept.exists()) == (False, True, True)


def test_another_servers_files_are_said_to_be_there(files: JobFiles, ask: Any, run: Any) -> None:
    ask()
    elsewhere = replace(run(), store="other")
    for act in (lambda: files.find(elsewhere, "0.mp4"), lambda: files.delete(elsewhere)):
        with pytest.raises(PreconditionError) as refused:
            act()
        assert refused.value.reason == "job_files_elsewhere"
        assert "`other`" in refused.value.message


def test_a_full_disk_is_told_by_name_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "0.mp4.part").symlink_to("/dev/full")
    with pytest.raises(CapacityError) as full, FileWriter(tmp_path, "0.mp4") as writer:
        writer.write(b"video")
    assert full.value.reason == "disk_full"
    assert list(tmp_path.iterdir()) == []


def test_jobs_of_one_caller_are_listed_apart(ask: Any, jobs: Jobs) -> None:
    mine, other = ask(), ask("key:b")
    jobs.enqueue("repo_sync", {})
    assert [job.id for job in jobs.list(owner="key:a")] == [mine.id]
    assert other.status is JobStatus.QUEUED
