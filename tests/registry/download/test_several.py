"""Several downloads at once: of the same file by several processes, of several files by one."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from panope_backends.errors import NotFoundError
from panope_registry.download import Downloader, DownloadStopped, Request, StopReason
from panope_registry.store.store import Store

MIB = 1 << 20
PROGRAM = Path(__file__).with_name("download_program.py")


def test_three_processes_that_want_the_same_file_fetch_it_once(offer: Any, store: Store) -> None:
    file = offer(size=MIB)
    file.hub.fault("trickle", bytes=1 << 16, seconds=0.05, on="cdn", times=None)
    command = [sys.executable, str(PROGRAM), file.hub.endpoint, file.path]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(f"0 {store.folder}\n")
        process.stdin.flush()
    assert [process.communicate()[0] for process in processes] == [f"{file.wanted.sha256}\n"] * 3
    assert len(file.ranges) == 1
    assert list(store.downloads.iterdir()) == []


def test_who_waits_for_another_sees_how_far_it_is_and_may_be_stopped(offer: Any, store: Store) -> None:
    file = offer(size=MIB)
    file.hub.fault("stall", bytes=MIB // 2, on="cdn")
    downloader = Downloader(store, free_space_floor_bytes=0)
    told: list[int] = []
    begun = threading.Event()
    with ThreadPoolExecutor() as pool:
        first = pool.submit(downloader.fetch, file.wanted, file.open_at, lambda _done, _total: begun.set())
        assert begun.wait(10)
        with pytest.raises(DownloadStopped):
            downloader.fetch(
                file.wanted,
                file.open_at,
                lambda done, _total: told.append(done),
                lambda: StopReason.DISCARD if told else None,
            )
        assert first.result(30).sha256 == file.wanted.sha256
    assert 0 < told[0] <= MIB // 2
    assert file.ranges == ["", f"bytes={MIB // 2}-"], "who waited discarded what was not its own"


def _requests(offer: Any, count: int) -> list[Any]:
    return [offer(path=f"{number}.safetensors", size=MIB, seed=number // 2) for number in range(count)]


@pytest.fixture
def all_on_the_hub(offer: Any, hub: Any, source: Any) -> Callable[[int], list[Request]]:
    """Files of one repo; each content is there under two paths."""

    def put(count: int) -> list[Request]:
        files = _requests(offer, count)
        hub.add("v/m", {file.path: file.content for file in files})
        return [Request(file.wanted, file.open_at) for file in files]

    return put


def test_several_files_arrive_in_order_and_each_content_once(
    all_on_the_hub: Callable[[int], list[Request]], store: Store, hub: Any
) -> None:
    requests = all_on_the_hub(8)
    told: list[tuple[int, int]] = []
    blobs = Downloader(store, free_space_floor_bytes=0).fetch_many(requests, lambda *now: told.append(now))
    assert [blob.sha256 for blob in blobs] == [request.wanted.sha256 for request in requests]
    assert len(hub.gets(".safetensors")) == 4
    assert told[-1] == (8 * MIB, 8 * MIB)
    assert {total for _, total in told} == {8 * MIB}
    assert all(done <= total for done, total in told)


def test_the_first_failure_ends_the_others_and_is_told(
    all_on_the_hub: Callable[[int], list[Request]], store: Store, hub: Any
) -> None:
    requests = all_on_the_hub(8)
    hub.fault("stall", bytes=MIB // 2, match="/0.safetensors")
    hub.fault("status", code=404, error_code="EntryNotFound", match="/2.safetensors", times=None)
    with pytest.raises(NotFoundError):
        Downloader(store, free_space_floor_bytes=0, concurrency=2).fetch_many(requests)
    assert not store.blob_path(requests[7].wanted.key).exists(), "the others went on"


def test_a_stop_reaches_every_file(
    all_on_the_hub: Callable[[int], list[Request]], store: Store, left: Callable[[], list[str]]
) -> None:
    requests = all_on_the_hub(8)
    told: list[int] = []
    downloader = Downloader(store, free_space_floor_bytes=0)
    with pytest.raises(DownloadStopped) as caught:
        downloader.fetch_many(
            requests, lambda done, _total: told.append(done), lambda: StopReason.DISCARD if told else None
        )
    assert caught.value.reason is StopReason.DISCARD
    assert [name for name in left() if name.endswith(".part")] == []


def test_no_files_are_no_work(downloader: Downloader) -> None:
    assert downloader.fetch_many([]) == []
