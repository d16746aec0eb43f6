"""Downloads that calls start, on the registry's own table of jobs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy import delete

from panope_backends.errors import AvailabilityError, LoadingError
from panope_registry.jobs import JobContext, Jobs, JobStatus, Runner
from panope_registry.models.types import ModelEntry, VariantEntry
from panope_registry.session import RegistrySession
from panope_registry.tables.columns import now
from panope_registry.tables.job_tables import job as job_table
from panope_server.runtime.async_registry.jobs import AsyncJobs
from panope_server.runtime.models.loading.downloads import Downloads

ABSENT = VariantEntry("d" * 64, "safetensors", "fp32", 1000, 0, None, "", (), is_local=False, missing_bytes=800)
MODEL = ModelEntry("acme/far", "embed", "", now(), {}, (ABSENT,), {}, source="hub", commit="c" * 40, ref="main")


@dataclass
class Rig:
    """Downloads of one model."""

    jobs: Jobs
    downloads: Downloads
    entry: ModelEntry = MODEL
    failure: Exception | None = None
    held: threading.Event = field(default_factory=threading.Event)

    def handler(self, context: JobContext) -> dict[str, object]:
        context.progress("model.safetensors", 300, 800, "bytes")
        if self.failure is not None:
            raise self.failure
        while not self.held.is_set():
            context.wait(0.01)
        self.entry = replace(MODEL, variants=(replace(ABSENT, is_local=True, missing_bytes=0),))
        return {}


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    session = RegistrySession.open(tmp_path / "registry.sqlite3", tmp_path)
    jobs = session.jobs

    async def fresh(_: str) -> ModelEntry:
        return made.entry

    made = Rig(jobs, Downloads(fresh, AsyncJobs(jobs, watch_seconds=0.01)))
    yield made
    session.close()


@pytest.fixture
async def running(rig: Rig) -> AsyncIterator[Rig]:
    """With a worker beside it."""
    stop = threading.Event()
    runner = Runner(rig.jobs, {"artifact_download": rig.handler}, owner="test", tick_seconds=0.02)
    thread = threading.Thread(target=runner.run, args=(stop,))
    thread.start()
    yield rig
    stop.set()
    await asyncio.to_thread(thread.join)


async def test_a_model_that_is_here_asks_for_nothing(rig: Rig) -> None:
    await rig.downloads.ensure(replace(MODEL, variants=(replace(ABSENT, is_local=True),)), wait=False)
    assert rig.jobs.list() == []


async def test_quantized_weights_that_are_asked_for_are_fetched_though_others_are_here(rig: Rig) -> None:
    here = replace(ABSENT, is_local=True)
    small = replace(ABSENT, digest="e" * 64, format="gguf", precision="q8_0")
    rig.entry = replace(MODEL, variants=(here, small))
    await rig.downloads.ensure(rig.entry, precision="fp32", wait=False)
    await rig.downloads.ensure(rig.entry, precision="q4_0", wait=False)  # loading says that there is none
    assert rig.jobs.list() == []
    with pytest.raises(LoadingError):
        await rig.downloads.ensure(rig.entry, precision="q8_0", wait=False)
    (job,) = rig.jobs.list()
    assert (job.payload["format"], job.payload["precision"]) == ("gguf", "q8_0")


async def test_what_another_machine_made_and_does_not_share_is_not_waited_for(rig: Rig) -> None:
    here = replace(ABSENT, is_local=True)
    made = replace(ABSENT, digest="e" * 64, precision="int8", derived_from=ABSENT.digest, is_obtainable=False)
    rig.entry = replace(MODEL, variants=(here, made))
    await rig.downloads.ensure(rig.entry, precision="int8", wait=False)
    await rig.downloads.ensure(rig.entry, made.digest, wait=False)
    assert rig.jobs.list() == []
    rig.entry = replace(MODEL, variants=(here, replace(made, is_obtainable=True)))
    with pytest.raises(LoadingError):
        await rig.downloads.ensure(rig.entry, precision="int8", wait=False)
    assert rig.jobs.list()[0].payload["variant"] == made.digest


async def test_what_was_imported_from_a_folder_cannot_be_downloaded(rig: Rig) -> None:
    rig.entry = replace(MODEL, source="folder", variants=(replace(ABSENT, is_obtainable=False),))
    await rig.downloads.ensure(rig.entry, wait=False)
    assert rig.jobs.list() == []


async def test_what_was_imported_on_another_machine_comes_from_the_store_that_both_share(rig: Rig) -> None:
    rig.entry = replace(MODEL, source="folder")
    with pytest.raises(LoadingError, match="waiting to begin"):
        await rig.downloads.ensure(rig.entry, wait=False)


async def test_a_variant_that_another_machine_made_is_asked_for_by_its_digest(rig: Rig) -> None:
    made = replace(ABSENT, digest="e" * 64, derived_from=ABSENT.digest)
    rig.entry = replace(MODEL, variants=(ABSENT, made))
    with pytest.raises(LoadingError):
        await rig.downloads.ensure(rig.entry, made.digest, wait=False)
    (job,) = rig.jobs.list()
    assert job.payload["variant"] == made.digest


async def test_many_calls_ask_for_one_download(rig: Rig) -> None:
    for _ in range(5):
        with pytest.raises(LoadingError, match="waiting to begin") as told:
            await rig.downloads.ensure(MODEL, wait=False)
        assert told.value.retry_after_seconds
    assert [job.kind for job in rig.jobs.list()] == ["artifact_download"]


async def test_a_download_that_the_registry_has_forgotten_is_none(rig: Rig) -> None:
    with pytest.raises(LoadingError):
        await rig.downloads.ensure(MODEL, wait=False)
    (old,) = rig.jobs.list()
    with rig.jobs.database.write() as connection:
        connection.execute(delete(job_table).where(job_table.c.id == old.id))
    rig.jobs.enqueue("other", {})  # ids are not given twice in a row
    with pytest.raises(LoadingError):
        await rig.downloads.ensure(MODEL, wait=False)


async def test_a_call_that_does_not_wait_is_told_how_far_the_download_is(running: Rig) -> None:
    async with asyncio.timeout(60):
        while True:
            with pytest.raises(LoadingError) as told:
                await running.downloads.ensure(MODEL, wait=False)
            if "%" in told.value.message and "20 %" not in told.value.message:
                break
            await asyncio.sleep(0.02)
    assert "50 % of 0.0 MB" in told.value.message


async def test_a_call_that_waits_goes_on_when_the_model_is_here(running: Rig) -> None:
    waiting = asyncio.create_task(running.downloads.ensure(MODEL, wait=True))
    running.held.set()
    async with asyncio.timeout(60):
        await waiting
    await running.downloads.ensure(MODEL, wait=False)
    assert [job.status for job in running.jobs.list()] == [JobStatus.SUCCEEDED]


async def test_a_download_that_failed_is_told_and_not_asked_for_at_once_again(running: Rig) -> None:
    from panope_backends.errors import PermissionDeniedError

    running.failure = PermissionDeniedError("the repo is gated", reason="gated")
    for _ in range(3):
        with pytest.raises(AvailabilityError, match="the repo is gated") as told:
            async with asyncio.timeout(60):
                await running.downloads.ensure(MODEL, wait=True)
        assert told.value.reason == "download_failed"
    assert len(running.jobs.list()) == 1
