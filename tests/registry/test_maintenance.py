"""What is done for a store beside the jobs: new variants are shared, the limit is kept, damage is found."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from queue import Queue

import pytest

from panope_registry import maintenance
from panope_registry.job_files import JobFiles, JobFilesPolicy
from panope_registry.job_handlers.requests import enqueue_share
from panope_registry.jobs import JobEntry, Jobs, Runner
from panope_registry.jobs.kinds import SHARE
from panope_registry.maintenance import Maintenance, MaintenancePolicy
from panope_registry.registry import Registry, VariantEntry
from panope_registry.retention.retention import RetentionManager
from panope_registry.retention.types import Quota
from panope_registry.session import RegistrySession

WAIT_SECONDS = 20
FAST = MaintenancePolicy(share_seconds=0, limit_seconds=0, scrub_bytes_per_second=1 << 40)

Event = tuple[str, Mapping[str, object]]
Start = Callable[..., "Queue[Event]"]


class Unshared:
    """A shared store that lacks these variants, and says when it was looked at."""

    def __init__(self, digests: list[str]) -> None:
        self.digests = digests
        self.looked = threading.Semaphore(0)

    def unshared(self) -> list[str]:
        self.looked.release()
        return self.digests

    def wait_for_looks(self, count: int) -> None:
        for _ in range(count):
            assert self.looked.acquire(timeout=WAIT_SECONDS)


@pytest.fixture
def variant(registry: Registry, make_model: Callable[..., Path]) -> VariantEntry:
    return registry.import_folder(make_model(), "v/m").variants[0]


@pytest.fixture
def jobs(session: RegistrySession) -> Jobs:
    return session.jobs


@pytest.fixture
def start(session: RegistrySession, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts it; what it tells comes out of the queue."""
    monkeypatch.setattr(maintenance, "ROUND_SECONDS", 0.01)
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def begin(sharing: object = None, quota: Quota | None = None, policy: MaintenancePolicy = FAST) -> Queue[Event]:
        told: Queue[Event] = Queue()
        retention = RetentionManager(session.database, session.store, quota=quota or Quota(free_floor_bytes=0))
        files = JobFiles(jobs, session.store, JobFilesPolicy())
        maintenance = Maintenance(
            session.database, session.store, retention, jobs, sharing, files, lambda *event: told.put(event), policy
        )
        threads.append(threading.Thread(target=maintenance.run, args=(stop,)))
        threads[-1].start()
        return told

    yield begin
    stop.set()
    for thread in threads:
        thread.join()


def _shares(jobs: Jobs) -> list[JobEntry]:
    return list(jobs.list(kind=SHARE))


def test_what_is_here_and_not_shared_is_asked_for_once(
    registry: Registry, variant: VariantEntry, jobs: Jobs, start: Start
) -> None:
    lacking = Unshared([variant.digest])
    start(lacking)
    lacking.wait_for_looks(3)
    (job,) = _shares(jobs)
    assert (job.payload, job.store) == ({"variant": variant.digest}, registry.store_id)


def test_what_could_not_be_shared_is_not_asked_for_again_at_once(
    registry: Registry, variant: VariantEntry, jobs: Jobs, start: Start
) -> None:
    _fail(jobs, enqueue_share(jobs, variant.digest, store=registry.store_id).id)
    lacking = Unshared([variant.digest])
    start(lacking)
    lacking.wait_for_looks(3)
    assert [job.status for job in _shares(jobs)] == ["failed"]


def _fail(jobs: Jobs, job_id: int) -> None:
    def refuse(_context: object) -> Mapping[str, object]:
        stop.set()
        raise PermissionError

    stop = threading.Event()
    Runner(jobs, {SHARE: refuse}, owner="test", tick_seconds=0.01, store=jobs.get(job_id).store).run(stop)
    assert jobs.get(job_id).status == "failed"


def test_a_limit_that_was_lowered_is_kept(
    registry: Registry, variant: VariantEntry, make_model: Callable[..., Path], tmp_path: Path, start: Start
) -> None:
    made = tmp_path / "made"
    made.mkdir()
    (made / "model.bin").write_bytes(bytes(1000))
    key = {"task": "embed", "format": "openvino", "precision": "fp32", "engine_version": "1"}
    built = registry.add_conversion(variant.digest, made, backend="openvino", **key)
    name, facts = start(quota=Quota(1, free_floor_bytes=0)).get(timeout=WAIT_SECONDS)
    assert (name, facts["variants"], facts["freed_bytes"]) == ("store_evicted", [built.digest], 1000)
    assert registry.model("v/m").variants[0].is_local


def test_damage_is_found_told_and_put_into_quarantine(
    session: RegistrySession, variant: VariantEntry, start: Start
) -> None:
    file = next(file for file in variant.files if file.path == "model.safetensors")
    blob = session.store.blob_path(file.sha256)
    blob.chmod(0o600)
    blob.write_bytes(b"!" * file.size_bytes)
    always = MaintenancePolicy(scrub_bytes_per_second=1 << 40, scrub_age=FAST.scrub_age * 0)
    event = start(policy=always).get(timeout=WAIT_SECONDS)
    assert event == ("blob_damaged", {"artifact_id": file.sha256, "size_bytes": file.size_bytes})
    assert not session.registry.model("v/m").variants[0].is_local
    assert list(session.store.quarantine.iterdir())


def test_what_was_hashed_lately_is_left_alone(session: RegistrySession, variant: VariantEntry) -> None:
    read: list[int] = []
    retention = RetentionManager(session.database, session.store)
    assert retention.scrub(FAST.scrub_age, read.append) is None
    assert read == []
    assert retention.scrub(FAST.scrub_age * 0, read.append) is not None
    assert sum(read) in {file.size_bytes for file in variant.files}


def test_of_two_processes_one_does_it_and_the_other_takes_over(
    variant: VariantEntry, start: Start, registry: Registry, jobs: Jobs
) -> None:
    first, second = Unshared([]), Unshared([])
    start(first)
    first.wait_for_looks(1)
    start(second)
    first.wait_for_looks(5)
    assert not second.looked.acquire(blocking=False)
