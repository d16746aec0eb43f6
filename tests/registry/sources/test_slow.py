"""A hub that sends a byte now and then holds no job for ever, and a job that waits for it can be cancelled at once."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from panope_backends.errors import AvailabilityError
from panope_registry.download import Downloader, ExpectedBlob, in_segments
from panope_registry.interruption import interruptible
from panope_registry.job_handlers.repo_sync import RepoSync
from panope_registry.job_handlers.requests import SyncRequest, enqueue_sync
from panope_registry.jobs import Jobs, JobStatus, Runner
from panope_registry.jobs.kinds import REPO_SYNC
from panope_registry.session import RegistrySession
from panope_registry.sources import sockets
from panope_registry.sources.hub import HubSource
from panope_registry.sources.links import new_client
from panope_registry.sources.sockets import TOO_SLOW, WatchedNetwork
from panope_registry.sources.source import RemoteRevision
from panope_registry.store.store import Store

HEADERS = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"
PAUSE_SECONDS = 0.02

#: What the hub has sent at once before it becomes slow; None: it does not even take the connection.
PHASES = {"connection": None, "first byte": b"", "headers": b"HTTP/1.1 200 OK\r\nx-", "body": HEADERS + b"["}


class SlowHub:
    """Sends its beginning at once, and then a byte at a time, or nothing at all."""

    def __init__(self, beginning: bytes | None, *, trickles: bool) -> None:
        self._beginning = beginning
        self._trickles = trickles
        self._ended = threading.Event()
        self.asked = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.endpoint = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._filling: list[socket.socket] = []
        if beginning is None:
            self._fill()
            self.asked.set()
        else:
            threading.Thread(target=self._serve, daemon=True).start()

    def _fill(self) -> None:
        """Takes the places in the queue of connections, so that the next one is not answered."""
        for _ in range(4):
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex(self._listening.getsockname())
            self._filling.append(waiting)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.recv(65536)
            connection.sendall(self._beginning or b"")
            self.asked.set()
            while not self._ended.wait(PAUSE_SECONDS):
                if self._trickles:
                    connection.sendall(b"x")

    def close(self) -> None:
        self._ended.set()
        for each in (self._listening, *self._filling):
            each.close()


@contextmanager
def slow_hub(phase: str, *, trickles: bool = True) -> Iterator[SlowHub]:
    hub = SlowHub(PHASES[phase], trickles=trickles)
    try:
        yield hub
    finally:
        hub.close()


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    with RegistrySession.open(tmp_path / "db", tmp_path / "home") as session:
        yield session.jobs


@contextmanager
def running(jobs: Jobs, endpoint: str, home: Path) -> Iterator[None]:
    """One worker for syncs, one at a time."""
    session = RegistrySession.open(home.parent / "db", home)
    registry = session.registry
    source = HubSource(endpoint)
    runner = Runner(jobs, {REPO_SYNC: RepoSync(registry, source)}, owner="test", concurrency=1, tick_seconds=0.1)
    stop = threading.Event()
    thread = threading.Thread(target=runner.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        source.close()
        session.close()


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("trickles", [True, False])
def test_a_job_that_waits_for_a_slow_hub_is_cancelled_within_two_seconds_and_frees_its_slot(
    jobs: Jobs, tmp_path: Path, phase: str, trickles: bool
) -> None:
    with slow_hub(phase, trickles=trickles) as hub, running(jobs, hub.endpoint, tmp_path / "home"):
        first, second = (enqueue_sync(jobs, SyncRequest(name)) for name in ("a/first", "a/second"))
        assert hub.asked.wait(30)
        _until(lambda: jobs.get(first.id).status is JobStatus.RUNNING)
        took = _seconds(lambda: jobs.cancel(first.id), lambda: jobs.get(first.id).status is JobStatus.CANCELLED)
        assert took < 2
        _until(lambda: jobs.get(second.id).status is JobStatus.RUNNING)
        jobs.cancel(second.id)


@pytest.mark.parametrize("phase", ["headers", "body"])
def test_a_hub_that_sends_too_little_is_given_up_with_the_rate(phase: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "RATE_SECONDS", 0.3)
    with (
        slow_hub(phase) as hub,
        closing(HubSource(hub.endpoint)) as source,
        pytest.raises(AvailabilityError) as caught,
    ):
        source.resolve("a/b")
    assert caught.value.reason == TOO_SLOW
    assert "1000 bytes a second" in caught.value.message


@pytest.mark.parametrize("connections", [1, 3])
def test_a_download_that_is_too_slow_is_left_to_the_next_attempt(
    connections: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each connection brings a few bytes, which counted as progress would begin the tries anew for ever."""
    monkeypatch.setattr(sockets, "RATE_SECONDS", 0.3)
    size = 100_000
    with slow_hub("body") as hub, closing(HubSource(hub.endpoint)) as source:
        revision = RemoteRevision("a/b", "0" * 40)
        open_at = in_segments(
            lambda start, length: source.open(revision, "file", start, length), size, connections, segment_bytes=1000
        )
        with pytest.raises(AvailabilityError) as caught:
            Downloader(Store(tmp_path / "store"), free_space_floor_bytes=0).fetch(
                ExpectedBlob("0" * 64, None, size), open_at
            )
    assert caught.value.reason == TOO_SLOW


def test_the_pause_between_two_questions_on_one_connection_counts_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "RATE_SECONDS", 0.0)
    monkeypatch.setattr(sockets, "LEAST_BYTES_PER_SECOND", 1)
    here, there = socket.socketpair()
    stream = sockets.WatchedStream(sockets.httpcore2._backends.sync.SyncStream(here))
    for _ in range(2):
        stream.write(b"question")
        there.sendall(b"a" * 100)
        assert stream.read(100) == b"a" * 100
        time.sleep(0.01)
    stream.close()
    there.close()


def test_every_connection_of_a_client_is_watched_those_through_proxies_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's own parts are replaced under it: a new release of it must not undo that."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with new_client() as client:
        pools = [transport._pool for transport in (client._transport, *client._mounts.values()) if transport]
    assert len(pools) == 3
    for pool in pools:
        assert isinstance(pool._network_backend, WatchedNetwork)


def test_a_connection_that_comes_too_late_is_closed() -> None:
    class EndedError(Exception):
        pass

    made = threading.Event()
    closed = threading.Event()

    class Late(sockets.httpcore2.NetworkStream):
        def close(self) -> None:
            closed.set()

    def connect() -> Late:
        made.wait()
        return Late()

    def end() -> None:
        raise EndedError

    with interruptible(end), pytest.raises(EndedError):
        sockets._left_at_will(connect)
    made.set()
    assert closed.wait(10)


def _seconds(act: Callable[[], object], condition: Callable[[], bool]) -> float:
    began = time.monotonic()
    act()
    _until(condition)
    return time.monotonic() - began


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
