"""Disks that are full: refused before the first byte where that can be known, and told with both numbers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from panope_backends.errors import AvailabilityError, CapacityError
from panope_registry.download import Downloader, ExpectedBlob, Request, space
from panope_registry.sources.hub import HubSource
from panope_registry.store.store import Store
from panope_registry.testing.hub import HubStandIn

MIB = 1 << 20
PROGRAM = Path(__file__).with_name("full_disk_program.py")
IN_TMPFS = 'mount -t tmpfs -o size=8m none "$1" && shift && exec "$@"'


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What is free on every disk, in bytes."""
    free = [10 * MIB]
    monkeypatch.setattr(space, "_free", lambda _folder: free[0])
    return free


def test_what_does_not_fit_is_refused_before_the_first_byte_with_both_numbers(
    store: Store, offer: Any, free: list[int]
) -> None:
    file = offer()
    free[0] = 6 * MIB
    with pytest.raises(CapacityError) as caught:
        Downloader(store, free_space_floor_bytes=2 * MIB).fetch(file.wanted, file.open_at)
    assert caught.value.reason == "disk_full"
    assert f"needs {5 * MIB} more bytes" in caught.value.message
    assert f"has {6 * MIB}, of which {2 * MIB} stay free" in caught.value.message
    assert file.ranges == []
    assert not store.blob_path(file.wanted.sha256).exists()


def test_what_has_arrived_needs_no_more_room(store: Store, offer: Any, free: list[int]) -> None:
    file = offer()
    arrived = MIB
    file.hub.fault("drop_after", bytes=arrived, on="cdn")
    file.hub.fault("then", on="cdn", action=lambda: file.hub.fault("status", code=429, retry_after=600, on="cdn"))
    downloader = Downloader(store, free_space_floor_bytes=0)
    with pytest.raises(AvailabilityError):
        downloader.fetch(file.wanted, file.open_at)
    free[0] = 5 * MIB - arrived - 1
    with pytest.raises(CapacityError):
        downloader.fetch(file.wanted, file.open_at)
    free[0] += 1
    downloader.fetch(file.wanted, file.open_at)


def test_files_that_fit_one_by_one_but_not_together_are_refused(store: Store, offer: Any, free: list[int]) -> None:
    files = [offer(size=6 * MIB), offer(size=6 * MIB, seed=1)]
    free[0] = 10 * MIB
    with pytest.raises(CapacityError) as caught:
        Downloader(store, free_space_floor_bytes=0).fetch_many([Request(file.wanted, file.open_at) for file in files])
    assert f"needs {12 * MIB} more bytes" in caught.value.message
    assert files[0].ranges == []


def test_space_is_reserved_once_for_all_files_and_as_long_as_they_come(
    store: Store, hub: HubStandIn, source: HubSource
) -> None:
    hub.add("v/m", {f"{fill}.safetensors": bytes([fill]) * MIB for fill in (0, 1)})
    repo = source.resolve("v/m")
    told: list[object] = []

    class Told:
        @contextmanager
        def reserve(self, wanted: Sequence[ExpectedBlob]) -> Iterator[None]:
            told.append(len(wanted))
            yield
            told.append([store.blob_path(each.key).exists() for each in wanted])

    requests = [
        Request(ExpectedBlob(file.sha256, None, file.size_bytes), partial(source.open, repo, file.path))
        for file in repo.files
    ]
    Downloader(store, free_space_floor_bytes=0, space=Told()).fetch_many(requests)
    assert told == [2, [True, True]]


def test_a_disk_that_fills_up_meanwhile_leaves_no_half_blob_and_the_download_goes_on_later(
    offer: Any, tmp_path: Path
) -> None:
    file = offer()
    disk = tmp_path / "disk"
    disk.mkdir()
    own_mounts = ["unshare", "-rm", "sh", "-c", IN_TMPFS, "sh", str(disk)]
    if subprocess.run([*own_mounts, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small disk needs user namespaces")
    done = subprocess.run(
        [*own_mounts, sys.executable, str(PROGRAM), file.hub.endpoint, str(disk)],
        capture_output=True,
        text=True,
        check=True,
    )
    first, state, second = done.stdout.splitlines()
    assert first.startswith("disk_full the download needs ")
    assert state == "no blob, a partial"
    assert second == file.wanted.sha256
    start = int(file.ranges[1].removeprefix("bytes=").removesuffix("-"))
    assert file.ranges[0] == ""
    assert 0 < start < len(file.content)
