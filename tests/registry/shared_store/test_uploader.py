"""Machines that share a bucket: what one has built, the others need not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import obstore
import pytest

from panope_backends.errors import AvailabilityError, DataLossError, NotFoundError, PreconditionError
from panope_registry.job_handlers.requests import DownloadRequest, enqueue_pull
from panope_registry.registry import VariantEntry
from panope_registry.retention.retention import RetentionManager
from panope_registry.retention.types import Quota
from panope_registry.session import RegistrySession
from panope_registry.shared_store import S3Store, Uploader

See = Callable[[RegistrySession, object], Uploader]
Pull = Callable[..., Any]
NOBODY = "0" * 64


@pytest.fixture
def variant(session: RegistrySession, make_model: Callable[..., Path]) -> VariantEntry:
    return session.registry.import_folder(make_model(), "v/m").variants[0]


class Cutting:
    """Forwards to a shared store, whose answers end after a few bytes."""

    def __init__(self, remote: S3Store, after_bytes: int) -> None:
        self._remote = remote
        self._after = after_bytes
        self.id = remote.id
        self.starts: list[int] = []

    @contextmanager
    def open(self, sha256: str, start: int = 0) -> Iterator[Cutting.Stream]:
        self.starts.append(start)
        with self._remote.open(sha256, start) as stream:
            yield self.Stream(stream, self._after)

    class Stream:
        def __init__(self, stream: object, after_bytes: int) -> None:
            self._stream = stream
            self._after = after_bytes
            self.start, self.total_bytes = stream.start, stream.total_bytes

        def chunks(self) -> Iterator[bytes]:
            yield b"".join(self._stream.chunks())[: self._after]


def test_another_machine_gets_what_one_has_brought(
    session: RegistrySession,
    other_machine: RegistrySession,
    remote: S3Store,
    sharing: See,
    pull: Pull,
    variant: VariantEntry,
) -> None:
    assert sharing(session, remote).unshared() == [variant.digest]
    pushed = sharing(session, remote).push(variant.digest)
    assert set(pushed.sha256s) == {file.sha256 for file in variant.files}
    assert sharing(session, remote).push(variant.digest).sha256s == ()
    assert sharing(session, remote).unshared() == sharing(other_machine, remote).unshared() == []
    with pytest.raises(PreconditionError):
        RetentionManager(other_machine.database, other_machine.store).lease(variant.digest, "other", 60)
    assert len(pull(other_machine, "v/m", remote).files) == len(pushed.sha256s)
    views = [machine.registry.materialize(variant.digest) for machine in (session, other_machine)]
    assert views[0] != views[1]
    for file in variant.files:
        assert (views[0] / file.path).read_bytes() == (views[1] / file.path).read_bytes()
    assert pull(other_machine, "v/m", remote).files == []


def test_what_one_machine_made_another_gets_by_its_digest(
    session: RegistrySession,
    other_machine: RegistrySession,
    remote: S3Store,
    sharing: See,
    pull: Pull,
    variant: VariantEntry,
    tmp_path: Path,
) -> None:
    made = tmp_path / "made"
    made.mkdir()
    (made / "openvino_model.bin").write_bytes(bytes(100))
    key = {"task": "embed", "format": "openvino", "precision": "fp32", "engine_version": "1"}
    built = session.registry.add_conversion(variant.digest, made, backend="openvino", **key)
    assert sharing(session, remote).unshared() == [variant.digest, built.digest]
    assert not other_machine.registry.find_conversion(variant.digest, **key).is_obtainable
    sharing(session, remote).push(built.digest)
    known = other_machine.registry.find_conversion(variant.digest, **key)
    assert (known.digest, known.is_local, known.is_obtainable) == (built.digest, False, True)
    pull(other_machine, "v/m", remote, variant=built.digest)
    assert other_machine.registry.find_conversion(variant.digest, **key).is_local
    assert (other_machine.registry.materialize(built.digest) / "openvino_model.bin").read_bytes() == bytes(100)


def test_a_pull_of_what_another_machine_imported_asks_no_hub(
    session: RegistrySession, other_machine: RegistrySession, variant: VariantEntry
) -> None:
    jobs = session.jobs
    assert enqueue_pull(jobs, DownloadRequest("v/m"), store=other_machine.store.id).depends_on == ()
    assert enqueue_pull(jobs, DownloadRequest("v/m"), store=session.store.id).depends_on != ()


def test_what_no_hub_and_no_shared_store_has_is_refused_by_name(
    other_machine: RegistrySession, remote: S3Store, pull: Pull, variant: VariantEntry
) -> None:
    with pytest.raises(PreconditionError, match="neither a hub nor a shared store has all files of model `v/m`"):
        pull(other_machine, "v/m", remote)


def test_what_the_shared_store_has_may_be_evicted_and_comes_back(
    session: RegistrySession, remote: S3Store, sharing: See, pull: Pull, variant: VariantEntry
) -> None:
    retention = RetentionManager(session.database, session.store, quota=Quota(1, free_floor_bytes=0))
    assert retention.evict().variants == (), "the only copy went"
    sharing(session, remote).push(variant.digest)
    assert retention.evict().variants == (variant.digest,)
    assert pull(session, "v/m", remote).files == ["model.safetensors"]
    assert session.registry.materialize(variant.digest).is_dir()


def test_a_damaged_object_in_the_bucket_never_gets_into_the_store(
    session: RegistrySession,
    other_machine: RegistrySession,
    remote: S3Store,
    sharing: See,
    pull: Pull,
    variant: VariantEntry,
) -> None:
    sharing(session, remote).push(variant.digest)
    weights = _weights(variant)
    obstore.put(remote._bucket, remote._key(weights.sha256), b"!" * weights.size_bytes)
    with pytest.raises(DataLossError):
        pull(other_machine, "v/m", remote)
    assert not other_machine.store.blob_path(weights.sha256).exists()


def test_an_answer_that_ends_early_is_gone_on_with(
    session: RegistrySession,
    other_machine: RegistrySession,
    remote: S3Store,
    sharing: See,
    pull: Pull,
    variant: VariantEntry,
) -> None:
    sharing(session, remote).push(variant.digest)
    cutting = Cutting(remote, 100)
    pull(other_machine, "v/m", cutting)
    assert {0, 100, 200} <= set(cutting.starts)
    assert other_machine.registry.materialize(variant.digest).is_dir()


def test_an_object_that_the_bucket_lost_is_told_and_brought_there_again(
    session: RegistrySession,
    other_machine: RegistrySession,
    remote: S3Store,
    sharing: See,
    pull: Pull,
    variant: VariantEntry,
) -> None:
    sharing(session, remote).push(variant.digest)
    remote.delete(variant.files[0].sha256)
    with pytest.raises(NotFoundError) as caught:
        pull(other_machine, "v/m", remote)
    assert caught.value.reason == "entry_not_found"
    assert sharing(session, remote).unshared() == [variant.digest]
    assert sharing(session, remote).push(variant.digest).sha256s == (variant.files[0].sha256,)
    pull(other_machine, "v/m", remote)


def test_a_push_tells_how_far_it_is_and_ends_within_a_file(
    session: RegistrySession, remote: S3Store, sharing: See, variant: VariantEntry
) -> None:
    class StoppedError(Exception):
        """Told by the job."""

    told: list[tuple[int, int]] = []
    asked = 0

    def stop() -> None:
        nonlocal asked
        asked += 1
        if asked == 4:  # before the second file, and within it
            raise StoppedError

    with pytest.raises(StoppedError):
        sharing(session, remote).push(variant.digest, lambda *now: told.append(now), stop)
    assert len(list(remote.list())) == 1
    sharing(session, remote).push(variant.digest, lambda *now: told.append(now))
    size = sum({file.sha256: file.size_bytes for file in variant.files}.values())
    assert told[-1] == (size, size)
    assert sharing(session, remote).unshared() == []


def test_a_shared_store_that_is_away_changes_nothing(
    session: RegistrySession, away: S3Store, sharing: See, variant: VariantEntry
) -> None:
    with pytest.raises(AvailabilityError):
        sharing(session, away).push(variant.digest)
    assert session.registry.materialize(variant.digest).is_dir()


def test_what_is_not_here_or_not_known_cannot_be_brought(
    session: RegistrySession, remote: S3Store, sharing: See, variant: VariantEntry
) -> None:
    RetentionManager(session.database, session.store).evict(variants=[variant.digest])
    with pytest.raises(PreconditionError) as caught:
        sharing(session, remote).push(variant.digest)
    assert caught.value.reason == "not_downloaded"
    with pytest.raises(NotFoundError):
        sharing(session, remote).push(NOBODY)


def _weights(variant: VariantEntry) -> Any:
    (weights,) = [file for file in variant.files if file.path == "model.safetensors"]
    return weights
