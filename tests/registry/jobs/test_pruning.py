"""Jobs that ended long ago are forgotten, and never one that another refers to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from panope_backends.errors import NotFoundError, PanopeError, PreconditionError
from panope_registry.jobs import JobProgress, Jobs, JobStatus, Retention, Runner
from panope_registry.jobs.claims import Claims
from panope_registry.jobs.failure import DEFECT
from panope_registry.jobs.pruning import Pruning

BATCH = 10
DAY = 86_400.0
WEEK = Retention(days=7, count=0)

Prune = Callable[..., int]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panope_registry.jobs.pruning.BATCH", BATCH)


@pytest.fixture
def prune(jobs: Jobs) -> Prune:
    """Prunes until nothing is left to; how many jobs went."""

    def run(retention: Retention = WEEK) -> int:
        pruning = Pruning(jobs.database, jobs.clock, retention)
        count = 0
        while some := pruning.prune_some():
            assert some <= BATCH
            count += some
        return count

    return run


def _end(jobs: Jobs, claims: Claims, *ids: int, well: bool = True) -> None:
    for job_id in ids:
        claim = claims.claim(("k",))
        assert claim is not None
        assert claim.job.id == job_id
        assert claims.succeed(claim, {}, JobProgress()) if well else claims.fail(claim, DEFECT)
        assert jobs.get(job_id).status.is_final


def _ids(jobs: Jobs) -> list[int]:
    return sorted(entry.id for entry in jobs.list(limit=1000))


def test_what_ended_long_ago_goes_and_what_is_open_or_recent_stays(
    jobs: Jobs, claims: Claims, clock: Any, prune: Prune
) -> None:
    ended = [jobs.enqueue("k", {}).id for _ in range(3)]
    _end(jobs, claims, ended[0])
    _end(jobs, claims, ended[1], well=False)
    assert jobs.cancel(ended[2]).status is JobStatus.CANCELLED
    still_open = [jobs.enqueue(kind, {}).id for kind in ("l", "k")]
    running = claims.claim(("k",))
    assert running is not None
    clock.move(7 * DAY)
    recent = jobs.cancel(jobs.enqueue("l", {}).id).id
    assert prune() == 0, "a week has not passed"
    clock.move(1)
    assert prune() == 3
    assert _ids(jobs) == [*still_open, recent]
    with pytest.raises(NotFoundError):
        jobs.get(ended[0])


def test_of_too_many_the_newest_stay(jobs: Jobs, clock: Any, prune: Prune) -> None:
    jobs.enqueue("k", {})
    ids = [jobs.cancel(jobs.enqueue("k", {}).id).id for _ in range(6)]
    keep_two = Retention(days=0, count=2)
    assert prune(keep_two) == 0, "they ended within this hour, and somebody may be looking"
    clock.move(DAY)
    assert prune(keep_two) == 4
    assert _ids(jobs)[1:] == ids[-2:]


def test_without_limits_nothing_goes(jobs: Jobs, clock: Any, prune: Prune) -> None:
    jobs.cancel(jobs.enqueue("k", {}).id)
    clock.move(30_000 * DAY)
    assert prune(Retention(days=0, count=0)) == 0


def test_what_an_open_job_needs_stays_and_all_that_this_names(
    jobs: Jobs, claims: Claims, clock: Any, prune: Prune
) -> None:
    parent = jobs.enqueue("k", {}).id
    child = jobs.enqueue("k", {}, parent_id=parent).id
    _end(jobs, claims, parent, child)
    waiting = jobs.enqueue("k", {}, depends_on=[child, jobs.enqueue("l", {}).id])
    clock.move(30 * DAY)
    assert prune() == 0
    assert jobs.get(waiting.id) == waiting
    assert jobs.get(child).parent_id == parent
    jobs.cancel(waiting.id)
    jobs.enqueue("l", {})
    clock.move(30 * DAY)
    assert prune() == 3, "the one that waited, then the child, then the parent"


def test_a_failed_job_that_is_kept_can_be_tried_again_with_what_it_needs(
    jobs: Jobs, claims: Claims, clock: Any, prune: Prune
) -> None:
    needed = jobs.enqueue("k", {}).id
    _end(jobs, claims, needed)
    clock.move(10 * DAY)
    failed = jobs.enqueue("k", {}, depends_on=[needed]).id
    _end(jobs, claims, failed, well=False)
    clock.move(DAY)
    assert prune() == 0
    assert jobs.retry(failed).depends_on == (needed,)


def test_many_go_in_small_transactions(jobs: Jobs, clock: Any, prune: Prune) -> None:
    count = 2 * BATCH + 5
    first = jobs.enqueue("k", {}).id
    for _ in range(count - 1):
        jobs.enqueue("k", {}, parent_id=first)
    jobs.cancel(first)
    last = jobs.enqueue("k", {}).id
    clock.move(8 * DAY)
    assert prune() == count
    assert _ids(jobs) == [last]


def test_no_job_gets_the_id_of_one_that_is_forgotten(jobs: Jobs, clock: Any, prune: Prune) -> None:
    ids = [jobs.cancel(jobs.enqueue("k", {}).id).id for _ in range(3)]
    clock.move(8 * DAY)
    assert prune() == 2
    assert jobs.enqueue("k", {}).id > ids[-1]


def test_pruning_leaves_whole_what_comes_meanwhile(jobs: Jobs, claims: Claims, clock: Any) -> None:
    """Whoever names an old job either gets it for good or is told that it is gone."""
    old = [jobs.enqueue("k", {}).id for _ in range(40)]
    _end(jobs, claims, *old)
    clock.move(8 * DAY)
    made: list[tuple[int, int]] = []
    refused: list[PanopeError] = []

    def refer() -> None:
        for job_id in reversed(old):
            for options in ({"depends_on": [job_id]}, {"parent_id": job_id}):
                try:
                    made.append((jobs.enqueue("l", {}, **options).id, job_id))
                except (NotFoundError, PreconditionError) as error:
                    refused.append(error)

    def prune() -> None:
        pruning = Pruning(jobs.database, jobs.clock, WEEK)
        while pruning.prune_some():
            pass

    threads = [threading.Thread(target=target) for target in (refer, prune, refer, prune)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for job_id, named in made:
        entry = jobs.get(job_id)
        assert named in (*entry.depends_on, entry.parent_id)
        assert jobs.get(named).status is JobStatus.SUCCEEDED
    assert len(made) + len(refused) == 4 * len(old)


def test_a_runner_prunes_as_it_was_told(jobs: Jobs, clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panope_registry.jobs.runner._FIRST_PRUNE_SECONDS", 0.0)
    for _ in range(BATCH + 1):
        jobs.cancel(jobs.enqueue("k", {}).id)
    clock.move(2 * DAY)
    stop = threading.Event()
    runner = Runner(jobs, {}, owner="a", tick_seconds=0.01, retention=Retention(days=1))
    thread = threading.Thread(target=runner.run, args=(stop,))
    thread.start()
    for _ in range(3000):
        if len(_ids(jobs)) == 1:
            break
        stop.wait(0.01)
    stop.set()
    thread.join()
    assert len(_ids(jobs)) == 1, "the newest stays"
