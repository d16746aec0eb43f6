"""The job that downloads a model of several files."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from panope_backends.errors import AvailabilityError, NotFoundError
from panope_registry.jobs import JobCancelled, JobContext

KIB = 1 << 10
WAIT_SECONDS = 20.0

MakeBench = Callable[..., Any]


def shard(number: int) -> str:
    return f"model-{number:05}-of-00005.safetensors"


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.005)


def test_every_file_comes_once_and_is_recorded(make_bench: MakeBench, files: Mapping[str, bytes]) -> None:
    bench = make_bench()
    weights = [shard(number) for number in range(1, 6)]
    assert bench.missing() == weights
    context = bench.context()
    assert sorted(bench.run(context)["files"]) == weights
    assert bench.missing() == []
    assert bench.fetched() == weights
    progress = context.latest_progress
    size = sum(len(files[path]) for path in weights)
    assert (progress.phase, progress.done, progress.total, progress.unit) == ("download", size, size, "bytes")
    assert progress.parts == (), "nothing is at hand any more"
    for name in ("artifact_download_start", "artifact_download_finish"):
        assert sorted(str(facts["file_path"]) for told, facts in bench.told if told == name) == weights


@contextmanager
def running(bench: Any, context: JobContext) -> Iterator[None]:
    """Runs the job beside the block, then cancels it; what stalls ends with the hub."""
    with ThreadPoolExecutor() as pool:
        job = pool.submit(bench.run, context)
        try:
            yield
        finally:
            context.interrupt(JobCancelled())
            bench.hub.close()
        with pytest.raises(JobCancelled):
            job.result(WAIT_SECONDS)


def test_files_come_at_once_and_each_tells_how_far_it_is(make_bench: MakeBench, files: Mapping[str, bytes]) -> None:
    bench = make_bench(concurrency=2)
    bench.hub.fault("stall", bytes=64 * KIB, on="cdn", times=None)
    context = bench.context()
    with running(bench, context):
        wait_until(lambda: len(context.latest_progress.parts) == 2)
        progress = context.latest_progress
        # The largest first: none of them is left to come alone at the end.
        assert [(part.name, part.total) for part in progress.parts] == [
            (shard(4), len(files[shard(4)])),
            (shard(5), len(files[shard(5)])),
        ]
        assert all(0 < part.done <= 64 * KIB for part in progress.parts)
        assert progress.done == sum(part.done for part in progress.parts)


def test_a_file_is_recorded_as_soon_as_it_is_here(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.hub.fault("stall", bytes=64 * KIB, on="cdn", match=shard(5), times=None)
    with running(bench, bench.context()):
        wait_until(lambda: bench.missing() == [shard(5)])


def test_a_file_that_fails_ends_the_others_and_what_has_arrived_stays(make_bench: MakeBench) -> None:
    bench = make_bench(concurrency=1)
    bench.hub.fault("status", code=404, error_code="EntryNotFound", match=shard(2), times=None)
    with pytest.raises(NotFoundError, match="no such file"):
        bench.run()
    assert bench.missing() == [shard(1), shard(2)], "the smallest came though it was not its turn"
    here = {shard(number) for number in range(3, 6)}
    bench.hub.clear_faults()
    bench.hub.requests.clear()

    assert set(bench.run()["files"]).isdisjoint(here)
    assert bench.missing() == []
    assert here.isdisjoint(bench.fetched())


def test_a_link_that_goes_on_breaking_fails_the_job_for_a_later_attempt(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.hub.fault("status", code=503, retry_after="0", on="cdn", match=shard(3), times=None)
    with pytest.raises(AvailabilityError) as told:
        bench.run()
    assert told.value.reason == "source_unavailable"
    bench.hub.clear_faults()
    bench.run()
    assert bench.missing() == []


def test_two_jobs_for_the_same_model_fetch_each_file_once(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.hub.fault("trickle", bytes=256 * KIB, seconds=0.02, on="cdn", times=None)
    both = threading.Barrier(2)

    def run() -> None:
        context = bench.context()
        both.wait(WAIT_SECONDS)
        bench.run(context)

    with ThreadPoolExecutor() as pool:
        for running in [pool.submit(run) for _ in range(2)]:
            running.result(WAIT_SECONDS)
    assert bench.fetched() == [shard(number) for number in range(1, 6)]
