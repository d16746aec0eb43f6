"""Reserving room: refused before anything goes, made by evicting, and never reserved twice."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from panope_backends.errors import CapacityError
from panope_registry.download import ExpectedBlob
from panope_registry.registry import Registry, VariantEntry
from panope_registry.retention.retention import RetentionManager
from panope_registry.retention.space import StoreSpace
from panope_registry.retention.types import Quota, Recovery
from panope_registry.session import RegistrySession
from panope_registry.store.store import Store
from panope_registry.tables.database import Database

AddModel = Callable[..., VariantEntry]
MakeRetention = Callable[..., RetentionManager]
MakeSpace = Callable[[int], StoreSpace]

RESERVE = """
import sys
from pathlib import Path
from panope_registry.retention.reservations import SpaceNeeds, Reservation
from panope_registry.store.store import Store
store = Store(Path(sys.argv[1]))
with store.space_lock():
    reservation = Reservation(store, SpaceNeeds(size_bytes=int(sys.argv[2])))
print("reserved", flush=True)
sys.stdin.read()
"""


def _wanted(size: int, name: str = "a") -> ExpectedBlob:
    return ExpectedBlob(name * 64, None, size)


@pytest.fixture
def space_of(make_retention: MakeRetention, store: Store) -> MakeSpace:
    """A store that may take so many bytes more than it takes."""

    def make(more: int) -> StoreSpace:
        return StoreSpace(make_retention(make_retention().usage().total_bytes + more), store)

    return make


def test_what_fits_is_reserved_and_given_back(space_of: MakeSpace, make_retention: MakeRetention) -> None:
    space = space_of(1000)
    with space.reserve([_wanted(1000)]):
        assert make_retention().usage().reserved_bytes == 1000
        with pytest.raises(CapacityError), space.reserve([_wanted(1, "b")]):
            pass
    assert make_retention().usage().reserved_bytes == 0
    with space.reserve([_wanted(1000, "b")]):
        pass


def test_the_same_file_reserves_its_space_once(space_of: MakeSpace) -> None:
    space = space_of(1000)
    with space.reserve([_wanted(600)]), space.reserve([_wanted(600)]), space.reserve([_wanted(400, "b")]):
        pass


def test_what_has_arrived_needs_no_more_space(space_of: MakeSpace, store: Store, make_retention: MakeRetention) -> None:
    space = space_of(1000)
    with space.reserve([_wanted(1000)]), space.reserve_bytes(0, what="nothing") as other:
        (store.downloads / f"{'a' * 64}.part").write_bytes(bytes(900))
        assert make_retention().usage().reserved_bytes == 100
        other.release(0)
    with space.reserve([_wanted(1000)]):
        assert make_retention().usage().reserved_bytes == 100


def test_the_reservation_of_a_process_that_was_killed_counts_no_more(space_of: MakeSpace, store: Store) -> None:
    space = space_of(1000)
    command = [sys.executable, "-c", RESERVE, str(store.folder), "1000"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "reserved\n"
        with pytest.raises(CapacityError), space.reserve([_wanted(1)]):
            pass
        other.kill()
        other.wait()
    with space.reserve([_wanted(1000)]):
        pass
    assert list(store.reservations.iterdir()) == []


def test_many_at_once_reserve_no_more_than_there_is(space_of: MakeSpace, make_retention: MakeRetention) -> None:
    space = space_of(1000)
    everybody = Barrier(8)

    def ask(number: int) -> bool:
        everybody.wait()
        try:
            with space.reserve([_wanted(300, f"{number:x}")]):
                everybody.wait()  # nobody gives back before all have asked
        except CapacityError:
            everybody.wait()
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))).count(True) == 3
    assert make_retention().usage().reserved_bytes == 0


def test_room_is_made_by_evicting_but_not_for_what_cannot_fit_anyway(
    space_of: MakeSpace, add_model: AddModel, weights_of: Callable[[VariantEntry], Path]
) -> None:
    weights = weights_of(add_model("v/a", 1))
    size = weights.stat().st_size
    space = space_of(10)
    with pytest.raises(CapacityError) as caught, space.reserve([_wanted(size + 11)]):
        pass
    assert caught.value.reason == "store_full"
    assert f"needs {size + 11} B, and {size + 10} B can be made free of the " in caught.value.message
    assert weights.exists()
    with space.reserve([_wanted(size + 10)]):
        assert not weights.exists()


def test_what_is_reserved_by_others_is_not_free(
    space_of: MakeSpace, add_model: AddModel, weights_of: Callable[[VariantEntry], Path]
) -> None:
    weights = weights_of(add_model("v/a", 1))
    size = weights.stat().st_size
    space = space_of(10)
    with space.reserve([_wanted(10)]):
        assert weights.exists()
        too_much = [_wanted(size + 1, "b")]
        with pytest.raises(CapacityError, match=f"and {size} B can be made free"), space.reserve(too_much):
            pass
        assert weights.exists()
        with space.reserve([_wanted(size, "b")]):
            assert not weights.exists()


def test_a_full_disk_is_told_with_both_numbers(database: Database, store: Store) -> None:
    free = RetentionManager(database, store).usage().free_bytes
    space = StoreSpace(RetentionManager(database, store, quota=Quota(free_floor_bytes=2 * free)), store)
    with pytest.raises(CapacityError, match="needs 7 B, and 0 B can be made free on the store's disk") as caught:
        space.reserve([_wanted(7)]).__enter__()
    assert caught.value.reason == "disk_full"


def test_an_import_that_does_not_fit_is_refused_before_the_first_byte(
    database_url: str, home: Path, make_model: Callable[..., Path]
) -> None:
    session = RegistrySession.open(database_url, home, quota=Quota(500, free_floor_bytes=0))
    registry = session.registry
    with pytest.raises(CapacityError, match=r"the import needs .* 500 B that the store may take"):
        registry.import_folder(make_model(), "v/m")
    assert registry.models() == []
    assert session.retention.usage().blob_bytes == 0
    session.close()


def test_an_import_within_the_quota_takes_the_place_of_what_may_go(
    database_url: str, home: Path, add_model: AddModel, make_model: Callable[..., Path], make_retention: MakeRetention
) -> None:
    old = add_model("v/a", 1)
    quota = Quota(make_retention().usage().total_bytes + 500, free_floor_bytes=0, low_water=1.0)
    session = RegistrySession.open(database_url, home, quota=quota)
    registry = session.registry
    registry.import_folder(make_model("new", fill=7), "v/new")
    assert not registry.model("v/a").variants[0].is_local
    assert registry.model("v/new").variants[0].is_local
    assert old.digest in {variant.digest for variant in make_retention().usage().variants}
    session.close()


def test_what_was_made_here_goes_last_and_is_made_again(
    registry: Registry,
    add_model: AddModel,
    make_retention: MakeRetention,
    tmp_path: Path,
    pass_time: Callable[..., None],
) -> None:
    imported, listed = add_model("v/a", 1, from_hub=False), add_model("v/b", 2)
    made = tmp_path / "made"
    made.mkdir()
    (made / "model.bin").write_bytes(bytes(100))
    key = {"task": "embed", "format": "openvino", "precision": "fp32", "engine_version": "1"}
    built = registry.add_conversion(imported.digest, made, backend="openvino", **key)
    pass_time(minutes=5)
    make_retention().touch(listed.digest)
    recoveries = {usage.digest: usage.recovery for usage in make_retention().usage().variants}
    assert recoveries == {
        imported.digest: Recovery.NONE,
        listed.digest: Recovery.DOWNLOAD,
        built.digest: Recovery.BUILD,
    }
    assert make_retention(1).evict(dry_run=True).variants == (listed.digest, built.digest)
    total = make_retention().usage().total_bytes
    assert make_retention(total - 1).evict().variants == (listed.digest,)
    assert make_retention(1).evict().variants == (built.digest,)
    again = registry.add_conversion(imported.digest, made, backend="openvino", **key)
    assert (again.digest, again.is_local) == (built.digest, True)


def test_a_conversion_that_does_not_fit_is_refused_and_its_source_is_not_evicted_for_it(
    database_url: str, home: Path, add_model: AddModel, make_retention: MakeRetention, tmp_path: Path
) -> None:
    source = add_model("v/a", 1)
    made = tmp_path / "made"
    made.mkdir()
    (made / "model.bin").write_bytes(bytes(100))
    session = RegistrySession.open(
        database_url, home, quota=Quota(make_retention().usage().total_bytes, free_floor_bytes=0)
    )
    registry = session.registry
    with pytest.raises(CapacityError, match="the conversion needs 100 B, and 0 B can be made free"):
        registry.add_conversion(
            source.digest,
            made,
            task="embed",
            format="openvino",
            precision="fp32",
            backend="openvino",
            engine_version="1",
        )
    assert [variant.digest for variant in registry.model("v/a").variants] == [source.digest]
    assert registry.model("v/a").variants[0].is_local
    session.close()
