"""Asking for work and looking after it."""

from __future__ import annotations

import threading

import pytest

from panope_backends.errors import AlreadyExistsError, InvalidInputError, NotFoundError, PreconditionError
from panope_registry.jobs import JobProgress, Jobs, JobStatus, kinds
from panope_registry.jobs.claims import Claims, RenewalResult
from panope_registry.jobs.failure import DEFECT

KINDS = ("k",)


def test_a_new_job_is_queued_and_told_as_it_was_asked_for(jobs: Jobs) -> None:
    parent = jobs.enqueue("k", {})
    entry = jobs.enqueue(
        "k", {"repo": "v/ñ", "n": [1, None]}, parent_id=parent.id, max_attempts=3, requested_by="ada", priority=7
    )
    assert entry == jobs.get(entry.id)
    assert entry.status is JobStatus.QUEUED
    assert entry.payload == {"repo": "v/ñ", "n": [1, None]}
    assert (entry.parent_id, entry.max_attempts, entry.requested_by) == (parent.id, 3, "ada")
    assert (entry.attempt, entry.result, entry.progress) == (0, {}, JobProgress())
    assert (entry.started_at, entry.finished_at, entry.depends_on) == (None, None, ())


def test_the_same_work_is_one_job_until_it_ends(jobs: Jobs, claims: Claims) -> None:
    first = jobs.enqueue("k", {}, dedupe_key="pull v/m")
    assert jobs.enqueue("k", {"other": 1}, dedupe_key="pull v/m") == first
    claim = claims.claim(KINDS)
    assert claim is not None
    assert jobs.enqueue("k", {}, dedupe_key="pull v/m").id == first.id
    assert claims.succeed(claim, {}, JobProgress())
    assert jobs.enqueue("k", {}, dedupe_key="pull v/m").id != first.id


def test_the_same_work_is_one_job_while_it_has_its_files(jobs: Jobs, claims: Claims) -> None:
    first = jobs.enqueue("k", {}, dedupe_key="w", folder="films")
    _succeed_next(claims)
    found = jobs.find("w")
    assert found is not None
    assert found.status is JobStatus.SUCCEEDED
    assert jobs.enqueue("k", {}, dedupe_key="w", folder="other").id == first.id == found.id
    assert jobs.find("") is None
    assert jobs.find("x") is None


def test_work_without_a_key_is_never_the_same(jobs: Jobs) -> None:
    assert jobs.enqueue("k", {}).id != jobs.enqueue("k", {}).id


def test_many_who_ask_for_the_same_work_at_once_get_one_job(jobs: Jobs) -> None:
    ids: list[int] = []
    barrier = threading.Barrier(6)

    def ask() -> None:
        barrier.wait()
        ids.extend(jobs.enqueue("k", {}, dedupe_key=f"work {number}").id for number in range(10))

    _run_all([threading.Thread(target=ask) for _ in range(6)])
    assert len(ids) == 60
    assert len(set(ids)) == 10 == len(jobs.list())


def test_the_list_has_the_newest_first_and_pages(jobs: Jobs, claims: Claims) -> None:
    ids = [jobs.enqueue(kinds.SHARE if n % 2 else kinds.QUANTIZE, {}).id for n in range(7)]
    ids.reverse()
    assert [entry.id for entry in jobs.list()] == ids
    page = jobs.list(limit=3)
    assert [entry.id for entry in page] == ids[:3]
    assert [entry.id for entry in jobs.list(after=page[-1].id, limit=3)] == ids[3:6]
    assert [entry.kind for entry in jobs.list(kind=kinds.SHARE)] == [kinds.SHARE] * 3
    claims.claim([kinds.SHARE])
    assert [entry.kind for entry in jobs.list(status="running")] == [kinds.SHARE]
    assert len(jobs.list(status=JobStatus.QUEUED)) == 6


@pytest.mark.parametrize("only", [{"kind": "foo"}, {"kind": "a\0b"}, {"status": "foo"}])
def test_an_unknown_kind_or_status_is_refused_with_those_there_are(jobs: Jobs, only: dict[str, str]) -> None:
    (field,) = only
    with pytest.raises(InvalidInputError, match=f"`{field}` must be one of `") as caught:
        jobs.list(**only)
    assert caught.value.field == field
    assert [name for name in (kinds.KINDS if field == "kind" else JobStatus) if name not in caught.value.message] == []


def test_what_does_not_exist_is_said_to_be_missing(jobs: Jobs) -> None:
    for ask in (
        lambda: jobs.get(1),
        lambda: jobs.cancel(1),
        lambda: jobs.retry(1),
        lambda: jobs.enqueue("k", {}, depends_on=[1]),
        lambda: jobs.enqueue("k", {}, parent_id=1),
    ):
        with pytest.raises(NotFoundError, match="job 1 does not exist"):
            ask()
    assert jobs.list() == []


def test_bad_input_is_refused(jobs: Jobs) -> None:
    with pytest.raises(InvalidInputError, match="`status` must be one of `waiting`"):
        jobs.list(status="asleep")
    with pytest.raises(InvalidInputError, match="at least one attempt"):
        jobs.enqueue("k", {}, max_attempts=0)
    with pytest.raises(InvalidInputError, match="a kind"):
        jobs.enqueue("", {})


def test_a_job_that_needs_others_waits_for_all_of_them(jobs: Jobs, claims: Claims) -> None:
    first, second = jobs.enqueue("k", {}), jobs.enqueue("k", {})
    third = jobs.enqueue("k", {}, depends_on=[second.id, first.id])
    assert third.status is JobStatus.WAITING
    assert third.depends_on == (first.id, second.id)
    assert jobs.enqueue("other", {}).depends_on == ()
    _succeed_next(claims)
    assert jobs.get(third.id).status is JobStatus.WAITING
    _succeed_next(claims)
    assert jobs.get(third.id).status is JobStatus.QUEUED
    after = jobs.enqueue("k", {}, depends_on=[first.id])
    assert after.status is JobStatus.QUEUED, "what it needs has succeeded before"


def test_a_failure_reaches_all_that_depend_on_it_and_nothing_else(jobs: Jobs, claims: Claims) -> None:
    bad, good = jobs.enqueue("k", {}, priority=1), jobs.enqueue("k", {})
    near = jobs.enqueue("k", {}, depends_on=[bad.id, good.id])
    far = jobs.enqueue("k", {}, depends_on=[near.id])
    apart = jobs.enqueue("k", {}, depends_on=[good.id])
    claim = claims.claim(KINDS)
    assert claim is not None
    assert claims.fail(claim, DEFECT)
    for entry in (jobs.get(near.id), jobs.get(far.id)):
        assert (entry.status, entry.error_reason) == (JobStatus.FAILED, "dependency_failed")
        assert entry.finished_at is not None
    assert jobs.get(apart.id).status is JobStatus.WAITING
    with pytest.raises(PreconditionError, match=f"job {bad.id}, which must succeed first, is failed"):
        jobs.enqueue("k", {}, depends_on=[bad.id])
    with pytest.raises(PreconditionError, match="retry that one"):
        jobs.retry(near.id)
    jobs.retry(bad.id)
    assert jobs.retry(near.id).status is JobStatus.WAITING


def test_dependencies_that_end_at_once_set_what_waits_for_them_free(jobs: Jobs, claims: Claims) -> None:
    """The trap: each end sees the other job as not yet ended."""
    for _ in range(10):
        needed = [jobs.enqueue("k", {}) for _ in range(4)]
        last = jobs.enqueue("l", {}, depends_on=[entry.id for entry in needed])
        barrier = threading.Barrier(4)

        def end(barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            _succeed_next(claims)

        _run_all([threading.Thread(target=end) for _ in needed])
        assert jobs.get(last.id).status is JobStatus.QUEUED


def test_cancelling_ends_what_has_not_begun_and_asks_what_runs(jobs: Jobs, claims: Claims) -> None:
    parent = jobs.enqueue("k", {})
    claim = claims.claim(KINDS)
    assert claim is not None
    child = jobs.enqueue("l", {}, parent_id=parent.id)
    waiting = jobs.enqueue("l", {}, parent_id=child.id, depends_on=[child.id])
    other = jobs.enqueue("l", {}, depends_on=[child.id])
    assert jobs.cancel(parent.id).status is JobStatus.RUNNING
    assert jobs.get(child.id).status is JobStatus.CANCELLED
    assert jobs.get(waiting.id).status is JobStatus.CANCELLED
    assert jobs.get(other.id).error_reason == "dependency_failed"
    with pytest.raises(PreconditionError, match="is cancelled"):
        jobs.enqueue("l", {}, parent_id=parent.id)
    assert claims.renew(claim, JobProgress()) is RenewalResult.CANCELLED
    assert claims.end_cancelled(claim)
    assert jobs.get(parent.id).status is JobStatus.CANCELLED


def test_cancelling_what_has_ended_changes_nothing(jobs: Jobs, claims: Claims) -> None:
    entry = jobs.enqueue("k", {})
    _succeed_next(claims)
    done = jobs.get(entry.id)
    assert jobs.cancel(entry.id) == done == jobs.get(entry.id)


def test_a_retry_gives_a_job_a_new_life(jobs: Jobs, claims: Claims) -> None:
    entry = jobs.enqueue("k", {}, dedupe_key="w", max_attempts=1)
    claim = claims.claim(KINDS)
    assert claim is not None
    with pytest.raises(PreconditionError, match="is running"):
        jobs.retry(entry.id)
    claims.renew(claim, JobProgress("download", 1, 2, "bytes"))
    assert claims.fail(claim, DEFECT)
    assert jobs.retry(entry.id) == entry
    assert not claims.succeed(claim, {}, JobProgress()), "the attempt before the retry is over"
    jobs.cancel(entry.id)
    jobs.retry(entry.id)
    _succeed_next(claims)
    with pytest.raises(PreconditionError, match="is succeeded"):
        jobs.retry(entry.id)


def test_a_retry_of_work_that_another_job_does_is_refused(jobs: Jobs) -> None:
    old = jobs.cancel(jobs.enqueue("k", {}, dedupe_key="w").id)
    jobs.enqueue("k", {}, dedupe_key="w")
    with pytest.raises(AlreadyExistsError, match="does the work of job"):
        jobs.retry(old.id)
    assert jobs.get(old.id) == old


def _succeed_next(claims: Claims) -> None:
    claim = claims.claim(KINDS)
    assert claim is not None
    assert claims.succeed(claim, {"done": True}, JobProgress())


def _run_all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
