"""Connections break, processes die, machines go down: what has arrived is not fetched again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from panope_registry.download import Downloader, DownloadStopped, ExpectedBlob, StopReason, partial
from panope_registry.store.store import Store

MIB = 1 << 20
SIZE = 1 << 18
PROGRAM = Path(__file__).with_name("download_program.py")

KillAt = Callable[[int, Path], str]


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the program for a file; it is ended with the test."""
    running: list[subprocess.Popen[str]] = []

    def begin(file: Any) -> subprocess.Popen[str]:
        command = [sys.executable, str(PROGRAM), file.hub.endpoint, file.path]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0)
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield begin
    for process in running:
        with suppress(ProcessLookupError):  # the test has killed it
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture
def kill_at(start: Any) -> Callable[[Any], KillAt]:
    """Downloads in a process that is killed at a step; `killed` or the blob's sha256."""

    def prepare(file: Any) -> KillAt:
        process = start(file)

        def kill(step: int, folder: Path) -> str:
            print(step, folder, file=process.stdin, flush=True)
            return str(process.stdout.readline()).strip()

        return kill

    return prepare


def _arrived(store: Store, wanted: ExpectedBlob) -> int:
    part = store.downloads / f"{wanted.key}.part"
    return part.stat().st_size if part.exists() else 0


@pytest.mark.parametrize("path", ["model.safetensors", "config.json"])
def test_a_download_killed_at_any_step_goes_on_where_it_was(
    offer: Any, kill_at: Any, tmp_path: Path, path: str
) -> None:
    file = offer(size=SIZE, path=path)
    kill = kill_at(file)
    places = set()
    for step in range(1, 500):
        folder = tmp_path / f"killed{step}"
        outcome = kill(step, folder)
        if outcome != "killed":
            break
        store = Store(folder)
        arrived, blobs = _arrived(store, file.wanted), [path for path in store.blobs.rglob("*") if path.is_file()]
        assert all(blob.read_bytes() == file.content for blob in blobs), "half a blob is visible"
        places.add(arrived)
        asked = len(file.ranges)
        blob = Downloader(store, free_space_floor_bytes=0).fetch(file.wanted, file.open_at)
        assert store.blob_path(blob.sha256).read_bytes() == file.content
        assert list(store.downloads.iterdir()) == [], "a finished download left something"
        if arrived == SIZE or (blobs and file.wanted.sha256):
            assert len(file.ranges) == asked, "nothing was missing"
        elif not blobs:
            assert file.ranges[asked:] == [f"bytes={arrived}-" if arrived else ""]
    assert len(places) > 3, "the steps were not counted"
    assert {0, SIZE} < places, "no kill before the first byte, or none between the last and the new name"


def test_a_download_killed_again_and_again_never_loses_what_it_had(offer: Any, kill_at: Any, store: Store) -> None:
    file = offer(size=4 * MIB)
    kill = kill_at(file)
    arrived = [0]
    while kill(30, store.folder) == "killed":
        arrived.append(_arrived(store, file.wanted))
    assert len(arrived) > 3
    assert arrived[:-1] == sorted(arrived[:-1])
    assert store.blob_path(file.wanted.sha256).read_bytes() == file.content
    asked_from = [int(range_.removeprefix("bytes=").rstrip("-") or 0) for range_ in file.ranges]
    assert asked_from == sorted(asked_from)


@pytest.mark.parametrize("part", [0.2, 0.5, 0.99])
def test_a_process_killed_in_the_middle_of_the_transfer_is_gone_on_from_its_last_byte(
    offer: Any, start: Any, downloader: Downloader, store: Store, part: float
) -> None:
    file = offer()
    size = int(len(file.content) * part)
    file.hub.fault("stall", bytes=size, on="cdn")
    process = start(file)
    print(0, store.folder, file=process.stdin, flush=True)
    deadline = time.monotonic() + 30
    while _arrived(store, file.wanted) < size:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    blob = downloader.fetch(file.wanted, file.open_at)
    assert store.blob_path(blob.sha256).read_bytes() == file.content
    assert file.ranges == ["", f"bytes={size}-"]


@pytest.mark.parametrize("is_orderly", [True, False])
def test_after_the_machine_went_down_only_what_was_synced_counts(
    offer: Any,
    kill_at: Any,
    downloader: Downloader,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    is_orderly: bool,
) -> None:
    file = offer()
    if is_orderly:
        with pytest.raises(DownloadStopped):
            downloader.fetch(
                file.wanted,
                file.open_at,
                stop=lambda: StopReason.CANCEL if _arrived(store, file.wanted) else None,
            )
    else:
        assert kill_at(file)(40, store.folder) == "killed"
    arrived = _arrived(store, file.wanted)
    assert arrived > 0
    other_start = tmp_path / "boot_id"
    other_start.write_text("another")
    monkeypatch.setattr(partial, "_BOOT_ID", other_start)
    downloader.fetch(file.wanted, file.open_at)
    assert file.ranges[-1] == (f"bytes={arrived}-" if is_orderly else "")


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b'{"boot": "", "confirmed_bytes": "x"}', None])
def test_a_partial_whose_note_cannot_be_read_is_begun_anew(
    offer: Any, downloader: Downloader, store: Store, note: bytes | None
) -> None:
    file = offer()
    part = store.downloads / f"{file.wanted.key}.part"
    part.write_bytes(b"?" * 1000)
    if note is not None:
        part.with_suffix(".json").write_bytes(note)
    downloader.fetch(file.wanted, file.open_at)
    assert file.ranges == [""]


def test_a_link_that_drops_every_three_mebibytes_finishes_without_waiting(
    offer: Any, downloader: Downloader, store: Store, time: Any
) -> None:
    file = offer(size=16 * MIB)
    file.hub.fault("drop_after", bytes=3 * MIB, on="cdn", times=None)
    downloader.fetch(file.wanted, file.open_at)
    assert file.ranges == ["", *(f"bytes={place * 3 * MIB}-" for place in range(1, 6))]
    assert time.slept < 1


def test_a_trickle_is_waited_for(offer: Any, downloader: Downloader, store: Store) -> None:
    file = offer(size=MIB)
    file.hub.fault("trickle", bytes=MIB // 8, seconds=0.1, on="cdn")
    blob = downloader.fetch(file.wanted, file.open_at)
    assert store.blob_path(blob.sha256).read_bytes() == file.content
    assert file.ranges == [""], "slower than the idle limit in all, and never silent for so long"


def test_a_stall_ends_at_the_idle_limit_and_the_rest_is_fetched(
    offer: Any, downloader: Downloader, store: Store
) -> None:
    file = offer()
    file.hub.fault("stall", bytes=2 * MIB, on="cdn")
    blob = downloader.fetch(file.wanted, file.open_at)
    assert store.blob_path(blob.sha256).read_bytes() == file.content
    assert file.ranges == ["", f"bytes={2 * MIB}-"]


def test_a_source_that_ignores_ranges_is_read_from_its_beginning(
    offer: Any, downloader: Downloader, store: Store
) -> None:
    file = offer()
    file.hub.fault("drop_after", bytes=2 * MIB, on="cdn")
    file.hub.fault("ignore_range", on="cdn", times=None)
    blob = downloader.fetch(file.wanted, file.open_at)
    assert store.blob_path(blob.sha256).read_bytes() == file.content
    assert len(file.ranges) == 2


def test_a_range_that_is_not_satisfiable_begins_anew(offer: Any, downloader: Downloader, store: Store) -> None:
    file = offer()
    file.hub.fault("drop_after", bytes=2 * MIB, on="cdn")
    file.hub.fault("then", on="cdn", action=lambda: file.hub.fault("not_satisfiable", on="cdn"))
    blob = downloader.fetch(file.wanted, file.open_at)
    assert store.blob_path(blob.sha256).read_bytes() == file.content
    assert [request.status for request in file.hub.requests if request.on == "cdn"] == [200, 416, 200]


def test_an_answer_that_ends_early_without_a_word_is_gone_on_with(
    downloader: Downloader, said: Any, wanted: Callable[[bytes], ExpectedBlob]
) -> None:
    source = said((0, None, [b"ab"]), (2, None, [b"c"]), (3, 6, [b"def"]))
    assert downloader.fetch(wanted(b"abcdef"), source.open_at).size_bytes == 6
    assert source.asked == [0, 2, 3]


def test_an_address_that_expired_is_asked_for_again(offer: Any, downloader: Downloader) -> None:
    file = offer()
    file.hub.fault("drop_after", bytes=MIB, on="cdn")
    file.hub.fault("then", on="cdn", action=lambda: file.hub.fault("status", code=403, on="cdn"))
    downloader.fetch(file.wanted, file.open_at)
    assert file.ranges == ["", f"bytes={MIB}-"]
