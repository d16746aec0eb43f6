"""Handlers in threads: how each way to end is interruptions, and what reaches a handler that runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from panope_backends.errors import AvailabilityError, InvalidInputError
from panope_registry.jobs import (
    JOB_RETRIES,
    Handler,
    Interrupted,
    JobCancelled,
    JobContext,
    JobEntry,
    JobProgress,
    Jobs,
    JobStatus,
    LeaseLost,
    Runner,
    RunnerStopping,
)
from panope_registry.tables.database import Database
from panope_registry.tables.job_tables import job as job_table

TICK = 0.02
WAIT_SECONDS = 30


@pytest.fixture
def jobs(database: Database) -> Jobs:
    """By the database's own time."""
    return Jobs(database)


def wait_for(jobs: Jobs, job_id: int, condition: Callable[[JobEntry], bool]) -> JobEntry:
    """Looks at each ring of the wakeup, and every few milliseconds."""
    for _ in range(WAIT_SECONDS * 200):
        seen = jobs.wakeup.count
        entry = jobs.get(job_id)
        if condition(entry):
            return entry
        jobs.wakeup.wait(seen, 0.005)
    pytest.fail(f"it did not happen to {entry}")


def ended(jobs: Jobs, job_id: int) -> JobEntry:
    return wait_for(jobs, job_id, lambda entry: entry.status.is_final)


@contextmanager
def running(jobs: Jobs, handlers: Mapping[str, Handler], **more: Any) -> Iterator[Callable[[], None]]:
    """A runner in a thread of its own; what it gives stops it."""
    stop = threading.Event()
    options = {"owner": "test", "tick_seconds": TICK, "retry_policy": replace(JOB_RETRIES, base_seconds=0.0)} | more
    thread = threading.Thread(target=Runner(jobs, handlers, **options).run, args=(stop,))
    thread.start()

    def end() -> None:
        stop.set()
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive()

    try:
        yield end
    finally:
        end()


def test_a_handler_gets_its_job_and_its_result_is_kept(jobs: Jobs) -> None:
    def add(context: JobContext) -> Mapping[str, Any]:
        context.progress("adding", 2, 2, "numbers")
        return {"sum": sum(context.job.payload["numbers"])}

    with running(jobs, {"add": add}):
        entry = ended(jobs, jobs.enqueue("add", {"numbers": [1, 2]}).id)
    assert entry.status is JobStatus.SUCCEEDED
    assert entry.result == {"sum": 3}
    assert entry.progress == JobProgress("adding", 2, 2, "numbers")
    assert entry.finished_at is not None
    assert entry.started_at is not None
    assert entry.created_at <= entry.started_at <= entry.finished_at


def test_progress_is_seen_while_the_job_runs(jobs: Jobs) -> None:
    go_on = threading.Event()

    def slow(context: JobContext) -> Mapping[str, Any]:
        context.progress("download", 1, 3, "bytes")
        assert go_on.wait(WAIT_SECONDS)
        return {}

    with running(jobs, {"slow": slow}):
        entry = jobs.enqueue("slow", {})
        seen = wait_for(jobs, entry.id, lambda now: now.progress.done == 1)
        assert (seen.status, seen.progress) == (JobStatus.RUNNING, JobProgress("download", 1, 3, "bytes"))
        go_on.set()
        assert ended(jobs, entry.id).status is JobStatus.SUCCEEDED


def test_no_more_jobs_run_at_a_time_than_allowed(jobs: Jobs) -> None:
    entered = threading.Semaphore(0)
    go_on = threading.Event()

    def hold(_context: JobContext) -> Mapping[str, Any]:
        entered.release()
        assert go_on.wait(WAIT_SECONDS)
        return {}

    with running(jobs, {"hold": hold}, concurrency=2):
        ids = [jobs.enqueue("hold", {}).id for _ in range(5)]
        assert entered.acquire(timeout=WAIT_SECONDS)
        assert entered.acquire(timeout=WAIT_SECONDS)
        assert not entered.acquire(timeout=10 * TICK), "a third one began"
        go_on.set()
        assert {ended(jobs, each).status for each in ids} == {JobStatus.SUCCEEDED}


def test_an_error_that_time_mends_is_tried_again(jobs: Jobs) -> None:
    def flaky(context: JobContext) -> Mapping[str, Any]:
        if context.job.attempt < 3:
            raise AvailabilityError("the hub does not answer")
        return {"attempt": context.job.attempt}

    with running(jobs, {"flaky": flaky}):
        assert ended(jobs, jobs.enqueue("flaky", {}).id).result == {"attempt": 3}


def test_an_error_of_the_callers_ends_the_job_with_its_words(jobs: Jobs) -> None:
    def bad(_context: JobContext) -> Mapping[str, Any]:
        raise InvalidInputError("there is no such repo", reason="repo_not_found")

    with running(jobs, {"bad": bad}):
        entry = ended(jobs, jobs.enqueue("bad", {}).id)
    assert (entry.status, entry.attempt) == (JobStatus.FAILED, 1)
    assert (entry.error_reason, entry.error_message) == ("repo_not_found", "there is no such repo")


@pytest.mark.parametrize("what", [ValueError("/srv/secret"), SystemExit(3), {1, 2}])
def test_a_defect_ends_the_job_and_tells_the_log_alone(
    jobs: Jobs, what: object, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_context: JobContext) -> Any:
        if isinstance(what, BaseException):
            raise what
        return {"not for JSON": what}

    with running(jobs, {"broken": broken, "good": lambda _context: {}}):
        entry = ended(jobs, jobs.enqueue("broken", {}).id)
        assert ended(jobs, jobs.enqueue("good", {}).id).status is JobStatus.SUCCEEDED, "the runner goes on"
    assert (entry.status, entry.error_reason) == (JobStatus.FAILED, "internal_error")
    assert "secret" not in entry.error_message
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.exc_info is not None


def test_cancelling_reaches_a_running_handler(jobs: Jobs) -> None:
    began = threading.Event()

    def endless(context: JobContext) -> Mapping[str, Any]:
        began.set()
        while True:
            context.wait(WAIT_SECONDS)

    with running(jobs, {"endless": endless}):
        entry = jobs.enqueue("endless", {})
        assert began.wait(WAIT_SECONDS)
        assert jobs.cancel(entry.id).status is JobStatus.RUNNING
        assert ended(jobs, entry.id).status is JobStatus.CANCELLED


def test_a_handler_that_breaks_because_it_was_told_to_end_has_not_failed(jobs: Jobs) -> None:
    began = threading.Event()

    def torn(context: JobContext) -> Mapping[str, Any]:
        began.set()
        with pytest.raises(JobCancelled):
            context.wait(WAIT_SECONDS)
        raise RuntimeError

    with running(jobs, {"torn": torn}):
        entry = jobs.enqueue("torn", {})
        assert began.wait(WAIT_SECONDS)
        jobs.cancel(entry.id)
        assert ended(jobs, entry.id).status is JobStatus.CANCELLED


def test_a_job_that_was_done_before_it_heard_of_the_cancellation_has_succeeded(jobs: Jobs) -> None:
    cancelled = threading.Event()

    def quick(_context: JobContext) -> Mapping[str, Any]:
        assert cancelled.wait(WAIT_SECONDS)
        return {"done": True}

    with running(jobs, {"quick": quick}):
        entry = jobs.enqueue("quick", {})
        wait_for(jobs, entry.id, lambda now: now.status is JobStatus.RUNNING)
        jobs.cancel(entry.id)
        cancelled.set()
        assert ended(jobs, entry.id).status is JobStatus.SUCCEEDED


def test_a_stopping_runner_gives_its_jobs_back(jobs: Jobs) -> None:
    began = threading.Event()

    def endless(context: JobContext) -> Mapping[str, Any]:
        began.set()
        try:
            context.wait(WAIT_SECONDS)
        except RunnerStopping:
            context.progress("stopped", 7)
            raise
        return {}

    with running(jobs, {"endless": endless}) as stop:
        entry = jobs.enqueue("endless", {}, max_attempts=1)
        later = jobs.enqueue("endless", {}, priority=-1)
        assert began.wait(WAIT_SECONDS)
        stop()
    left = jobs.get(entry.id)
    assert (left.status, left.attempt) == (JobStatus.QUEUED, 0)
    assert jobs.get(later.id).attempt == 0

    with running(jobs, {"endless": lambda _context: {"went": "on"}}):
        assert ended(jobs, entry.id).result == {"went": "on"}


def test_a_handler_that_does_not_stop_is_left_behind_with_its_lease(jobs: Jobs) -> None:
    began, go_on = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def deaf(_context: JobContext) -> Mapping[str, Any]:
        threads.append(threading.current_thread())
        began.set()
        assert go_on.wait(WAIT_SECONDS)
        return {}

    with running(jobs, {"deaf": deaf}, grace_seconds=0.05) as stop:
        entry = jobs.enqueue("deaf", {})
        assert began.wait(WAIT_SECONDS)
        stop()
    assert jobs.get(entry.id).status is JobStatus.RUNNING
    go_on.set()
    assert ended(jobs, entry.id).status is JobStatus.SUCCEEDED, "its lease had not run out"
    for thread in threads:
        thread.join(WAIT_SECONDS)  # it has the database's connection to its end
        assert not thread.is_alive()


def test_a_handler_whose_lease_was_lost_is_told_and_its_result_counts_for_nothing(
    jobs: Jobs, database: Database
) -> None:
    began, interrupted = threading.Event(), threading.Event()
    interruptions: list[Interrupted] = []

    def first(context: JobContext) -> Mapping[str, Any]:
        if context.job.attempt > 1:
            return {"by": "the second"}
        began.set()
        try:
            context.wait(WAIT_SECONDS)
        except Interrupted as interruption:
            interruptions.append(interruption)
            interrupted.set()
        return {"by": "the first"}

    with running(jobs, {"k": first}):
        entry = jobs.enqueue("k", {})
        assert began.wait(WAIT_SECONDS)
        with database.write() as connection:  # as if another runner had reaped it
            gone = {"status": "queued", "lease_until": None, "lease_owner": ""}
            connection.execute(update(job_table).where(job_table.c.id == entry.id).values(gone))
        assert ended(jobs, entry.id).result == {"by": "the second"}
        assert interrupted.wait(WAIT_SECONDS)
    assert [type(interruption) for interruption in interruptions] == [LeaseLost]


def test_handlers_ask_for_further_work(jobs: Jobs) -> None:
    def parent(context: JobContext) -> Mapping[str, Any]:
        child = context.jobs.enqueue("child", {}, parent_id=context.job.id)
        last = context.jobs.enqueue("last", {}, depends_on=[context.job.id, child.id])
        return {"child": child.id, "last": last.id}

    handlers: dict[str, Handler] = {"parent": parent, "child": lambda _: {"n": 1}, "last": lambda _: {"n": 2}}
    with running(jobs, handlers):
        done = ended(jobs, jobs.enqueue("parent", {}).id)
        assert ended(jobs, done.result["last"]).result == {"n": 2}
    assert jobs.get(done.result["child"]).parent_id == done.id


def test_a_runner_of_certain_jobs_leaves_the_others(jobs: Jobs) -> None:
    other, mine = jobs.enqueue("k", {}, priority=9), jobs.enqueue("k", {})
    with running(jobs, {"k": lambda _: {}}, only=[mine.id]):
        assert ended(jobs, mine.id).status is JobStatus.SUCCEEDED
    assert jobs.get(other.id).status is JobStatus.QUEUED
