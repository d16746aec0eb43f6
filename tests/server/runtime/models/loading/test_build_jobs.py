"""Loads that need a conversion wait for the job that makes it: on a real queue, with a handler of the test's own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from panope_backends.errors import (
    AvailabilityError,
    CapacityError,
    DataLossError,
    InternalError,
    PanopeError,
    PreconditionError,
    ShuttingDownError,
)
from panope_registry.job_handlers.requests import BuildRequest, enqueue_build
from panope_registry.jobs import JobContext, Jobs, JobStatus, Runner
from panope_registry.jobs.failure import JOB_RETRIES
from panope_registry.tables.database import Database, open_engine
from panope_registry.tables.migrate import migrate
from panope_server.runtime.async_registry.jobs import AsyncJobs
from panope_server.runtime.models.loading import build_jobs
from panope_server.runtime.models.loading.build_jobs import BuildJobs

REQUEST = BuildRequest("acme/tiny", "openvino", "fp32")
DONE = {"variant": "ab" * 32}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.01)


@dataclass
class Rig:
    """A queue, and a handler that does what the test says."""

    jobs: Jobs
    async_jobs: AsyncJobs
    errors: list[Exception] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    attempts: int = 0
    told: list[tuple[str, str]] = field(default_factory=list)
    stops: list[Callable[[], None]] = field(default_factory=list)

    def builds(self, *, has_worker: bool = True) -> BuildJobs:
        return BuildJobs(self.async_jobs, "mine", has_worker=has_worker, on_wait=lambda *told: self.told.append(told))

    def handle(self, context: JobContext) -> Mapping[str, Any]:
        self.attempts += 1
        while not self.gate.wait(0.01):
            context.check()
        if self.errors:
            raise self.errors.pop(0)
        return DONE

    def work(self, owner: str = "worker") -> Callable[[], None]:
        """Starts a worker; returns what stops it."""
        stop = threading.Event()
        runner = Runner(
            self.jobs,
            {"build_engine": self.handle},
            owner=owner,
            tick_seconds=0.02,
            lease_seconds=1,
            store="mine",
            retry_policy=replace(JOB_RETRIES, base_seconds=0.01),
        )
        thread = threading.Thread(target=runner.run, args=(stop,))
        thread.start()

        def end() -> None:
            stop.set()
            thread.join()

        self.stops.append(end)
        return end


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    engine = open_engine(f"sqlite:///{tmp_path / 'registry.sqlite3'}")
    migrate(engine)
    database = Database(engine)
    jobs = Jobs(database)
    made = Rig(jobs, AsyncJobs(jobs, watch_seconds=0.01))
    yield made
    made.gate.set()
    for stop in made.stops:
        await asyncio.to_thread(stop)
    database.close()


async def test_a_load_waits_for_the_job_that_people_ask_for_too(rig: Rig) -> None:
    asked = enqueue_build(rig.jobs, REQUEST, "cli", store="mine")
    rig.work()
    with capture_logs() as lines:
        waiting = [asyncio.create_task(rig.builds().run(REQUEST)) for _ in range(2)]
        await until(lambda: [line["event"] for line in lines].count("conversion_awaited") == 2)
    rig.gate.set()
    jobs = await asyncio.gather(*waiting)
    assert {job.id for job in jobs} == {asked.id}
    assert (jobs[0].result, rig.attempts) == (DONE, 1)
    reason = f"job {asked.id} converts it to openvino fp32, once, which can take minutes"
    assert rig.told == [("acme/tiny", reason)] * 2


async def test_a_load_goes_before_builds_that_nobody_waits_for(rig: Rig) -> None:
    other = enqueue_build(rig.jobs, BuildRequest("acme/large", "openvino"), "cli", store="mine")
    waiting = asyncio.create_task(rig.builds().run(REQUEST))
    await until(lambda: len(rig.jobs.list()) == 2)
    mine = rig.jobs.list()[0]
    rig.gate.set()
    rig.work()
    await waiting
    await until(lambda: bool(rig.jobs.get(other.id).status.is_final))
    # Both are set, which the types do not know.
    assert rig.jobs.get(mine.id).started_at <= rig.jobs.get(other.id).started_at  # type: ignore[operator]
    assert mine.requested_by == "load"


@pytest.mark.parametrize(
    "error",
    [
        PreconditionError("the model has an operator that OpenVINO has not", reason="unsupported_operator"),
        InternalError("the conversion failed; the log has the cause"),
        DataLossError("file `model.safetensors` of this model is damaged"),
        CapacityError("the conversion needs about 9 bytes of disk, and 1 are free", reason="disk_full"),
    ],
)
async def test_what_the_job_failed_with_is_what_the_load_fails_with(rig: Rig, error: PanopeError) -> None:
    rig.errors.append(error)
    rig.gate.set()
    rig.work()
    with pytest.raises(type(error)) as caught:
        await rig.builds().run(REQUEST)
    assert (caught.value.message, caught.value.reason) == (error.message, error.reason)


async def test_an_attempt_that_fails_ends_the_waiting_though_the_job_is_tried_again(rig: Rig) -> None:
    rig.errors.append(AvailabilityError("the shared store does not answer", reason="store_away", retry_after_seconds=5))
    rig.gate.set()
    rig.work()
    with pytest.raises(AvailabilityError, match="does not answer"):
        await rig.builds().run(REQUEST)
    (job,) = rig.jobs.list()
    assert job.status is JobStatus.QUEUED


async def test_a_job_whose_worker_stops_is_waited_for_until_the_next_one_has_done_it(rig: Rig) -> None:
    waiting = asyncio.create_task(rig.builds().run(REQUEST))
    stop = rig.work("first")
    await until(lambda: rig.attempts > 0)
    await asyncio.to_thread(stop)
    assert not waiting.done()
    rig.gate.set()
    rig.work("second")
    assert (await waiting).result == DONE


async def test_a_job_that_somebody_cancels_ends_the_load(rig: Rig) -> None:
    waiting = asyncio.create_task(rig.builds().run(REQUEST))
    rig.work()
    await until(lambda: rig.attempts > 0)
    rig.jobs.cancel(rig.jobs.list()[0].id)
    with pytest.raises(AvailabilityError, match="was cancelled"):
        await waiting


async def test_a_server_without_a_worker_says_so_unless_another_one_takes_the_job(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_jobs, "UNCLAIMED_SECONDS", 0.05)
    with pytest.raises(PreconditionError, match=r"`jobs\.concurrency` is 0") as caught:
        await rig.builds(has_worker=False).run(REQUEST)
    assert caught.value.reason == "no_job_worker"
    monkeypatch.setattr(build_jobs, "UNCLAIMED_SECONDS", 20.0)
    rig.gate.set()
    rig.work()
    assert (await rig.builds(has_worker=False).run(REQUEST)).result == DONE


async def test_the_end_of_the_server_ends_the_waiting(rig: Rig) -> None:
    waiting = asyncio.create_task(rig.builds().run(REQUEST))
    await until(lambda: bool(rig.jobs.list()))
    rig.async_jobs.close()
    with pytest.raises(ShuttingDownError):
        await waiting
