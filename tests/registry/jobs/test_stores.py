"""Servers with stores of their own share one table: bytes come to the store that they were asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from panope_registry.job_handlers.requests import (
    DownloadRequest,
    SyncRequest,
    enqueue_download,
    enqueue_pull,
    enqueue_sync,
)
from panope_registry.jobs import JobContext, Jobs, JobStatus, Runner
from panope_registry.jobs.claims import Claims

KINDS = ("k",)
MODEL = "acme/tiny"


def _take(claims: Claims) -> int | None:
    claim = claims.claim(KINDS)
    return None if claim is None else claim.job.id


def test_a_job_for_a_store_goes_to_runners_on_that_store_alone(jobs: Jobs, make_claims: Callable[..., Claims]) -> None:
    mine, anyones = jobs.enqueue("k", {}, store="mine"), jobs.enqueue("k", {})
    assert (mine.store, anyones.store) == ("mine", None)
    assert _take(make_claims("other", store="theirs")) == anyones.id
    for claims in (make_claims("other", store="theirs"), make_claims("without a store")):
        assert not claims.is_due(KINDS)
        assert _take(claims) is None
    assert make_claims("a", store="mine").is_due(KINDS)
    assert _take(make_claims("a", store="mine")) == mine.id


def test_a_job_for_a_store_whose_runner_was_lost_waits_for_that_store(
    jobs: Jobs, make_claims: Callable[..., Claims], clock: Any
) -> None:
    entry = jobs.enqueue("k", {}, store="mine")
    assert _take(make_claims("a", store="mine")) == entry.id
    clock.move(60)
    assert make_claims("b", store="theirs").reap() == 1, "whoever sees it puts it back"
    clock.move(60)
    assert _take(make_claims("b", store="theirs")) is None
    assert jobs.get(entry.id).status is JobStatus.QUEUED
    assert _take(make_claims("c", store="mine")) == entry.id


def test_a_job_for_a_store_that_is_gone_can_be_cancelled(jobs: Jobs) -> None:
    assert jobs.cancel(jobs.enqueue("k", {}, store="gone").id).status is JobStatus.CANCELLED


def test_a_job_that_is_tried_again_is_for_the_store_it_was_for(jobs: Jobs) -> None:
    assert jobs.retry(jobs.cancel(jobs.enqueue("k", {}, store="mine").id).id).store == "mine"


def test_each_store_has_a_download_of_its_own_and_the_sync_is_shared(jobs: Jobs) -> None:
    request = DownloadRequest(MODEL)
    pulls = [enqueue_pull(jobs, request, store=store) for store in ("a", "b", "a")]
    assert [pull.store for pull in pulls] == ["a", "b", "a"]
    assert pulls[0].id == pulls[2].id != pulls[1].id
    sync = enqueue_sync(jobs, SyncRequest(MODEL))
    assert sync.store is None
    assert {pull.depends_on for pull in pulls} == {(sync.id,)}


def test_a_download_is_found_by_the_same_wish_for_the_same_store_alone(jobs: Jobs) -> None:
    request = DownloadRequest(MODEL)
    ids = {store: enqueue_download(jobs, request, store=store).id for store in ("a", "b", None)}
    assert len(set(ids.values())) == len(ids)
    assert {store: enqueue_download(jobs, request, store=store).id for store in ids} == ids


def test_runners_on_two_stores_share_what_is_for_any_and_keep_to_their_own(database: Any) -> None:
    jobs = Jobs(database)
    ran: list[tuple[str, str | None]] = []
    stop = threading.Event()

    def runner(store: str) -> Runner:
        def work(context: JobContext) -> dict[str, object]:
            ran.append((store, context.job.store))
            return {}

        return Runner(jobs, {"k": work}, owner=store, tick_seconds=0.02, store=store)

    threads = [threading.Thread(target=runner(store).run, args=(stop,)) for store in ("a", "b")]
    asked = [jobs.enqueue("k", {}, store=store) for store in ("a", "b", None) * 4]
    for thread in threads:
        thread.start()
    last = [jobs.enqueue("k", {}, store=store, priority=-1) for store in ("a", "b")]
    while not all(jobs.get(each.id).status.is_final for each in (*asked, *last)):
        stop.wait(0.02)
    stop.set()
    for thread in threads:
        thread.join()
    assert len(ran) == len(asked) + len(last)
    assert {(store, of) for store, of in ran if of is not None} == {("a", "a"), ("b", "b")}
