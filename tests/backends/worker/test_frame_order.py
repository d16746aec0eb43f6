"""Urgent requests pass those that came before them, and nothing else changes its place."""

from __future__ import annotations

import socket
import threading

import pytest

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.wire.frames import encode_frame
from panope_backends.worker.connection import read_frames
from panope_backends.worker.frame_order import MOST_PASSING, FrameOrder
from panope_backends.worker.preparers import Preparers

HIGH, LOW = 50, -50


def request(number: int, priority: int = 0) -> wire.ServerFrame:
    return wire.ServerFrame(id=number, priority=priority, request=wire.Request(task="embed"))


def cancel(number: int) -> wire.ServerFrame:
    return wire.ServerFrame(id=number, cancel=wire.Cancel())


def taken(*frames: wire.ServerFrame) -> list[int]:
    """The ids in the order in which they are handled, after all have come."""
    order = FrameOrder()
    for frame in frames:
        order.add(frame)
    found = []
    while (frame := order.take()) is not None:
        found.append(frame.id)
    assert not order
    return found


def test_a_request_of_a_higher_class_passes_all_of_a_lower_one() -> None:
    assert taken(request(1), request(2, LOW), request(3, HIGH), request(4, HIGH)) == [3, 4, 1, 2]


def test_nothing_is_passed_for_ever() -> None:
    frames = [request(0, LOW), *(request(number, HIGH) for number in range(1, 3 * MOST_PASSING))]
    assert taken(*frames).index(0) == MOST_PASSING


def test_a_cancelled_request_is_not_handled_and_other_cancellations_come_first() -> None:
    assert taken(request(1), request(2), cancel(2), cancel(7), request(3)) == [7, 1, 3]


@pytest.mark.parametrize(
    "other",
    [
        wire.ServerFrame(id=9, load_adapter=wire.LoadAdapter()),
        wire.ServerFrame(id=9, drain=wire.Drain()),
        wire.ServerFrame(id=9, flow=wire.Flow(paused=True)),
    ],
    ids=["load_adapter", "drain", "flow"],
)
def test_no_request_passes_a_frame_of_another_kind(other: wire.ServerFrame) -> None:
    assert taken(request(1), other, request(2), request(3, HIGH), other, request(4, HIGH)) == [1, 9, 3, 2, 9, 4]
    assert taken(request(1), other, request(2), cancel(2), request(3)) == [1, 9, 3]


def test_an_urgent_request_that_comes_behind_a_full_window_is_next() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"".join(encode_frame(request(number)) for number in range(512)))
        frames = read_frames(ours)
        assert next(frames).id == 0
        theirs.sendall(encode_frame(request(1000, HIGH)))
        assert next(frames).id == 1000, "511 came before it"
        theirs.shutdown(socket.SHUT_WR)
        assert [frame.id for frame in frames] == list(range(1, 512))


def test_threads_that_prepare_take_urgent_requests_first() -> None:
    may_go, done = threading.Event(), threading.Semaphore(0)
    found: list[int] = []

    def prepare(frame: wire.ServerFrame) -> object:
        may_go.wait()
        found.append(frame.id)
        return done.release

    preparers = Preparers(prepare, lambda: None, threads=1)  # type: ignore[arg-type]  # what it returns is called
    for number in range(20):
        preparers.put(request(number))
    while not preparers.read().ids:
        pass  # the thread has not begun with the first
    preparers.put(request(100, HIGH))
    may_go.set()
    for _ in range(21):
        assert done.acquire(timeout=30)
    assert found == [0, 100, *range(1, 20)]
