"""Rounds that are slow to make hold up nobody, and end with their request."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.api import TensorModel, TensorSpec
from panope_backends.errors import InvalidInputError
from panope_backends.tasks.stacked_arrays import StackedArrays
from panope_backends.tasks.task import ArrayItem, ArrayJob
from panope_backends.wire.frames import FrameDecoder
from panope_backends.worker.batch.batching import Batcher
from panope_backends.worker.batch.executor import Executor
from panope_backends.worker.batch.pace import Pace
from panope_backends.worker.batch.queue import DeviceQueue
from panope_backends.worker.batch.rounds import THREADS, RoundMakers
from panope_backends.worker.connection import Outbox
from panope_backends.worker.flow import Flow
from panope_backends.worker.requests import ArrayRequest, Item

Array = np.ndarray[Any, Any]


class Doubles(TensorModel):
    """Twice each value."""

    precision = "fp32"
    inputs = (TensorSpec("value", "float32", (-1, 1)),)
    outputs = (TensorSpec("twice", "float32", (-1, 1)),)

    def run(self, arrays: Mapping[str, Array], outputs: Sequence[str] = ()) -> dict[str, Array]:
        return {"twice": 2 * arrays["value"]}

    def close(self) -> None:
        pass


def item(value: float) -> ArrayItem:
    return ArrayItem({"value": np.array([value], np.float32)}, 1)


class QuickJob(ArrayJob):
    """One value, doubled once."""

    def __init__(self, value: float) -> None:
        self.items = [item(value)]

    def answer(self, rows: Sequence[Mapping[str, Array]]) -> bytes:
        return b"%g" % rows[0]["twice"][0]


class SlowJob(ArrayJob):
    """Doubles a value so many times; before each round it waits to be let go on, or closed."""

    makes_rounds_slowly = True
    items = ()

    def __init__(self, value: float, rounds: int, fails: bool = False) -> None:
        self._value, self._left, self._fails = value, rounds, fails
        self.begun, self.go_on, self.closed = threading.Event(), threading.Event(), threading.Event()

    def next_items(self, rows: Sequence[Mapping[str, Array]]) -> Sequence[ArrayItem]:
        self.begun.set()
        assert self.go_on.wait(20)
        if self.closed.is_set():
            raise InvalidInputError("nobody waits for it", field="images")
        if self._fails:
            raise InvalidInputError("no such round", field="images")
        if rows:
            self._value = float(rows[0]["twice"][0])
        self._left -= 1
        return [item(self._value)] if self._left >= 0 else ()

    def answer(self, rows: Sequence[Mapping[str, Array]]) -> bytes:
        return b"%g" % self._value

    def close(self) -> None:
        self.closed.set()
        self.go_on.set()


class Device:
    """A queue, what runs it, and what the server hears."""

    def __init__(self, connection: socket.socket, server: socket.socket) -> None:
        self.queue = DeviceQueue(Batcher[Item](1 << 20, 32))
        self._server, self._decoder = server, FrameDecoder()
        executor = Executor(None, StackedArrays(Doubles(), ["twice"], item), self.queue, Outbox(connection), Pace(0))
        self.rounds = RoundMakers(self.queue, executor)
        self.rounds.start()
        self._thread = threading.Thread(target=executor.run)
        self._thread.start()

    def put(self, number: int, job: ArrayJob) -> None:
        self.queue.put(
            ArrayRequest(
                *(number, Flow(number), "", time.perf_counter(), wire.Timing()),
                job=job,
                items=job.items,
                rows=[{}] * len(job.items),
                missing=len(job.items),
            )
        )

    def next_part(self) -> tuple[int, str]:
        """The next answer, or the reason of a failure."""
        while not (found := self._decoder.feed(self._server.recv(1 << 16))):
            pass
        (frame,) = map(wire.WorkerFrame.FromString, map(bytes, found))
        (part,) = frame.parts
        return part.id, part.failure.reason or part.output.decode()

    def drain(self) -> None:
        self.queue.drain()
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.fixture
def device() -> Iterator[Device]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(20)
        made = Device(ours, theirs)
        yield made
        made.drain()


def test_a_quick_request_is_answered_while_every_thread_makes_a_slow_round(device: Device) -> None:
    slow = [SlowJob(1, rounds=3) for _ in range(THREADS)]
    for number, job in enumerate(slow):
        device.put(number, job)
        assert job.begun.wait(20)
    assert sorted(device.rounds.ids().ids) == list(range(THREADS))
    assert device.rounds.ids().seconds == 0
    device.put(9, QuickJob(4))
    assert device.next_part() == (9, "8")
    for number, job in enumerate(slow):
        job.go_on.set()
        assert device.next_part() == (number, "8")
        assert job.closed.is_set()


def test_one_without_any_item_is_answered_and_one_that_fails_tells_why(device: Device) -> None:
    for number, job in enumerate((SlowJob(5, rounds=0), SlowJob(5, rounds=1, fails=True))):
        job.go_on.set()
        device.put(number, job)
        assert device.next_part() == (number, ("5", "invalid_input")[number])
        assert job.closed.is_set()


def test_a_request_that_ends_closes_its_job_and_nothing_more_is_told_of_it(device: Device) -> None:
    job = SlowJob(1, rounds=2)
    device.put(1, job)
    assert job.begun.wait(20)
    device.queue.cancel(1)
    assert job.closed.is_set()
    device.put(2, QuickJob(1))
    assert device.next_part() == (2, "2")


def test_a_drained_queue_waits_for_rounds_that_are_made(device: Device) -> None:
    job = SlowJob(3, rounds=1)
    device.put(1, job)
    assert job.begun.wait(20)
    device.queue.drain()
    job.go_on.set()
    assert device.next_part() == (1, "6")
