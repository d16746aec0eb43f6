"""Machines that share a bucket: what one has built, the others need not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import obstore
import pytest

from panope_backends.errors import AvailabilityError, DataLossError, NotFoundError, PreconditionError
from panope_registry.care.care import StoreCare
from panope_registry.care.entries import Quota
from panope_registry.registry import Registry, VariantEntry
from panope_registry.remote import S3Store, Sharing

See = Callable[[Registry, object], Sharing]
NOBODY = "0" * 64


@pytest.fixture
def variant(registry: Registry, make_model: Callable[..., Path]) -> VariantEntry:
    return registry.import_folder(make_model(), "v/m").variants[0]


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
    registry: Registry, other_machine: Registry, remote: S3Store, sharing: See, variant: VariantEntry
) -> None:
    pushed = sharing(registry, remote).push(variant.digest)
    assert set(pushed.sha256s) == {file.sha256 for file in variant.files}
    assert sharing(registry, remote).push(variant.digest).sha256s == ()
    with pytest.raises(PreconditionError):
        StoreCare(other_machine._database, other_machine._store).lease(variant.digest, "other", 60)
    fetched = sharing(other_machine, remote).fetch(variant.digest)
    assert set(fetched.sha256s) == set(pushed.sha256s)
    assert fetched.size_bytes == pushed.size_bytes > 0
    views = [machine.materialize(variant.digest) for machine in (registry, other_machine)]
    assert views[0] != views[1]
    for file in variant.files:
        assert (views[0] / file.path).read_bytes() == (views[1] / file.path).read_bytes()
    assert sharing(other_machine, remote).fetch(variant.digest).sha256s == ()


def test_what_the_shared_store_has_may_be_evicted_and_comes_back(
    registry: Registry, remote: S3Store, sharing: See, variant: VariantEntry
) -> None:
    care = StoreCare(registry._database, registry._store, quota=Quota(1, free_floor_bytes=0))
    assert care.evict().variants == (), "the only copy went"
    sharing(registry, remote).push(variant.digest)
    assert care.evict().variants == (variant.digest,)
    fetched = sharing(registry, remote).fetch(variant.digest)
    assert len(fetched.sha256s) == 1
    assert registry.materialize(variant.digest).is_dir()


def test_a_damaged_object_in_the_bucket_never_gets_into_the_store(
    registry: Registry, other_machine: Registry, remote: S3Store, sharing: See, variant: VariantEntry
) -> None:
    sharing(registry, remote).push(variant.digest)
    (weights,) = [file for file in variant.files if file.path == "model.safetensors"]
    obstore.put(remote._bucket, remote._key(weights.sha256), b"!" * weights.size_bytes)
    with pytest.raises(DataLossError):
        sharing(other_machine, remote).fetch(variant.digest)
    assert not other_machine._store.blob_path(weights.sha256).exists()


def test_an_answer_that_ends_early_is_gone_on_with(
    registry: Registry, other_machine: Registry, remote: S3Store, sharing: See, variant: VariantEntry
) -> None:
    sharing(registry, remote).push(variant.digest)
    cutting = Cutting(remote, 100)
    sharing(other_machine, cutting).fetch(variant.digest)
    assert {0, 100, 200} <= set(cutting.starts)
    assert other_machine.materialize(variant.digest).is_dir()


def test_an_object_that_the_bucket_lost_is_told(
    registry: Registry, other_machine: Registry, remote: S3Store, sharing: See, variant: VariantEntry
) -> None:
    sharing(registry, remote).push(variant.digest)
    remote.delete(variant.files[0].sha256)
    with pytest.raises(NotFoundError) as caught:
        sharing(other_machine, remote).fetch(variant.digest)
    assert caught.value.reason == "entry_not_found"


def test_a_shared_store_that_is_away_changes_nothing(
    registry: Registry, away: S3Store, sharing: See, variant: VariantEntry
) -> None:
    with pytest.raises(AvailabilityError):
        sharing(registry, away).push(variant.digest)
    assert registry.materialize(variant.digest).is_dir()


def test_what_is_not_here_or_not_known_cannot_be_brought(
    registry: Registry, remote: S3Store, sharing: See, variant: VariantEntry
) -> None:
    StoreCare(registry._database, registry._store).evict(variants=[variant.digest])
    with pytest.raises(PreconditionError) as caught:
        sharing(registry, remote).push(variant.digest)
    assert caught.value.reason == "not_downloaded"
    for move in (sharing(registry, remote).push, sharing(registry, remote).fetch):
        with pytest.raises(NotFoundError):
            move(NOBODY)
