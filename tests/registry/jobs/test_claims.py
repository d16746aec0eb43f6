"""Taking jobs, keeping them, ending them: what a runner that was given up does counts for nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from panope_backends.errors import (
    AvailabilityError,
    CapacityError,
    DataLossError,
    DeadlineError,
    InvalidInputError,
    PanopeError,
)
from panope_registry.jobs import JOB_RETRIES, JobProgress, Jobs, JobStatus
from panope_registry.jobs.claims import Claim, Claims, RenewalResult
from panope_registry.jobs.clock import database_clock
from panope_registry.jobs.failure import DEFECT, RUNNER_LOST, Failure, failure_of
from panope_registry.tables.database import Database

KINDS = ("k",)
BUSY = Failure("source_unavailable", "the hub does not answer", retryable=True)


def _claim(claims: Claims) -> Claim:
    claim = claims.claim(KINDS)
    assert claim is not None
    return claim


def test_jobs_go_by_priority_then_by_age(jobs: Jobs, claims: Claims) -> None:
    ids = [jobs.enqueue("k", {}, priority=priority).id for priority in (0, 5, -1, 5, 0)]
    claimed = [_claim(claims).job.id for _ in ids]
    assert claimed == [ids[1], ids[3], ids[0], ids[4], ids[2]]
    assert claims.claim(KINDS) is None


def test_only_kinds_that_the_runner_knows_are_taken(jobs: Jobs, claims: Claims) -> None:
    jobs.enqueue("from the future", {})
    assert not claims.is_due(KINDS)
    assert claims.claim(KINDS) is None
    assert not claims.is_due(())
    assert claims.claim(()) is None


def test_a_claimed_job_runs_and_is_nobody_elses(jobs: Jobs, make_claims: Callable[..., Claims]) -> None:
    entry = jobs.enqueue("k", {})
    claim = _claim(make_claims("a"))
    assert make_claims("b").claim(KINDS) is None
    assert claim.job == jobs.get(entry.id)
    assert (claim.job.status, claim.job.attempt) == (JobStatus.RUNNING, 1)
    assert claim.job.started_at is not None


def test_a_claim_tells_what_its_job_needs_and_not_what_others_need(jobs: Jobs, claims: Claims) -> None:
    first, second = jobs.enqueue("k", {}), jobs.enqueue("k", {})
    third = jobs.enqueue("k", {}, depends_on=[first.id, second.id])
    told = []
    for _ in range(3):
        claim = _claim(claims)
        told.append(claim.job.depends_on)
        assert claims.succeed(claim, {}, JobProgress())
    assert told == [(), (), third.depends_on]


def test_claims_of_many_threads_take_each_job_once(jobs: Jobs, make_claims: Callable[..., Claims]) -> None:
    ids = {jobs.enqueue("k", {}).id for _ in range(60)}
    taken: list[int] = []

    def take() -> None:
        claims = make_claims()
        while (claim := claims.claim(KINDS)) is not None:
            taken.append(claim.job.id)

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # On PostgreSQL a claim may pass over rows that others hold, and end early; none is left for a last look.
    take()
    assert len(taken) == 60
    assert set(taken) == ids


def test_a_lease_that_ran_out_gives_the_job_to_another(
    jobs: Jobs, clock: Any, make_claims: Callable[..., Claims]
) -> None:
    entry = jobs.enqueue("k", {})
    first, second = make_claims("a"), make_claims("b")
    lost = _claim(first)
    clock.move(29)
    assert second.reap() == 0
    assert first.renew(lost, JobProgress("x", 1, 2, "y")) is RenewalResult.KEPT
    clock.move(29)
    assert second.reap() == 0, "it was renewed"
    clock.move(2)
    assert second.reap() == 1
    queued = jobs.get(entry.id)
    assert (queued.status, queued.error_reason, queued.attempt) == (JobStatus.QUEUED, "runner_lost", 1)
    assert second.claim(KINDS) is None, "it waits a little first"
    clock.move(2)
    assert _claim(second).job.attempt == 2

    assert first.renew(lost, JobProgress("late", 9, 9, "")) is RenewalResult.LOST
    for end in (
        lambda: first.succeed(lost, {"by": "a ghost"}, JobProgress()),
        lambda: first.fail(lost, DEFECT),
        lambda: first.end_cancelled(lost),
        lambda: first.give_back(lost),
    ):
        assert not end()
    running = jobs.get(entry.id)
    assert (running.status, running.attempt, running.result) == (JobStatus.RUNNING, 2, {})
    assert running.progress.phase == "x"


def test_a_job_whose_runners_keep_dying_fails(jobs: Jobs, clock: Any, claims: Claims) -> None:
    entry = jobs.enqueue("k", {}, max_attempts=2)
    needs_it = jobs.enqueue("k", {}, depends_on=[entry.id])
    for _ in range(2):
        _claim(claims)
        clock.move(40)
        assert claims.reap() == 1
        clock.move(40)
    ended = jobs.get(entry.id)
    assert (ended.status, ended.error_reason, ended.retryable) == (JobStatus.FAILED, RUNNER_LOST.reason, True)
    assert jobs.get(needs_it.id).error_reason == "dependency_failed"


def test_a_cancelled_job_whose_runner_died_is_cancelled(jobs: Jobs, clock: Any, claims: Claims) -> None:
    entry = jobs.enqueue("k", {})
    _claim(claims)
    jobs.cancel(entry.id)
    clock.move(40)
    assert claims.reap() == 1
    assert jobs.get(entry.id).status is JobStatus.CANCELLED


def test_what_time_may_mend_is_tried_again_ever_later(jobs: Jobs, clock: Any, claims: Claims) -> None:
    entry = jobs.enqueue("k", {}, max_attempts=4)
    for wait in (2, 4, 8):
        assert claims.fail(_claim(claims), BUSY)
        queued = jobs.get(entry.id)
        assert queued.status is JobStatus.QUEUED
        assert (queued.error_reason, queued.error_message, queued.retryable) == (BUSY.reason, BUSY.message, True)
        assert queued.run_at == clock.moment + timedelta(seconds=wait)
        clock.move(wait - 0.001)
        assert not claims.is_due(KINDS)
        clock.move(0.001)
        assert claims.is_due(KINDS)
    assert claims.fail(_claim(claims), BUSY)
    assert jobs.get(entry.id).status is JobStatus.FAILED
    assert jobs.retry(entry.id).error_reason == ""


def test_success_forgets_the_error_before(jobs: Jobs, clock: Any, claims: Claims) -> None:
    entry = jobs.enqueue("k", {})
    claims.fail(_claim(claims), BUSY)
    clock.move(2)
    assert claims.succeed(_claim(claims), {"ok": 1}, JobProgress("download", 5, 5, "bytes"))
    done = jobs.get(entry.id)
    assert (done.error_reason, done.retryable, done.result) == ("", False, {"ok": 1})
    assert done.progress == JobProgress("download", 5, 5, "bytes")


def test_a_job_given_back_goes_on_at_once_and_has_lost_no_attempt(jobs: Jobs, claims: Claims) -> None:
    entry = jobs.enqueue("k", {}, max_attempts=1)
    for _ in range(3):
        assert claims.give_back(_claim(claims))
    assert jobs.get(entry.id).attempt == 0
    claim = _claim(claims)
    jobs.cancel(entry.id)
    assert claims.give_back(claim)
    assert jobs.get(entry.id).status is JobStatus.CANCELLED


def test_a_cancelled_job_that_fails_is_not_tried_again(jobs: Jobs, claims: Claims) -> None:
    entry = jobs.enqueue("k", {})
    claim = _claim(claims)
    jobs.cancel(entry.id)
    assert claims.fail(claim, BUSY)
    assert jobs.get(entry.id).status is JobStatus.CANCELLED


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (AvailabilityError("x"), True),
        (CapacityError("x"), True),
        (DeadlineError("x"), True),
        (CapacityError("x", reason="disk_full"), False),
        (DataLossError("x"), False),
        (InvalidInputError("x"), False),
        (ValueError("/home/secret"), False),
    ],
)
def test_only_what_time_may_mend_is_retryable(error: Exception, retryable: bool) -> None:
    failure = failure_of(error)
    assert failure.retryable is retryable
    if isinstance(error, PanopeError):
        assert (failure.reason, failure.message) == (error.reason, "x")
    else:
        assert failure == DEFECT


def test_the_wait_doubles_is_spread_and_has_an_end() -> None:
    least, most = (replace(JOB_RETRIES, random=lambda number=number: number) for number in (0.0, 1.0))
    assert [most.delay_seconds(n) for n in (1, 2, 3, 8, 9, 1000)] == [2, 4, 8, 256, 300, 300]
    assert [least.delay_seconds(n) for n in (1, 2, 3, 8, 9, 1000)] == [1, 2, 4, 128, 150, 150]
    assert most.delay_seconds(1, at_least=60) == 60


def test_the_time_is_the_databases_own(database: Database) -> None:
    with database.write() as connection:
        first = database_clock(connection)
        second = database_clock(connection)
    assert first < second
    assert first.utcoffset() == timedelta(0)
