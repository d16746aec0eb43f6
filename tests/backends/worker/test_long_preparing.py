"""Requests that take long to become jobs hold up no others where the task says so, cancellations least of all."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.tasks.task import DeviceJob
from panope_backends.worker.intake import Intake
from panope_backends.worker.progress import Stopwatch


class Nothing(DeviceJob):
    def step(self) -> tuple[bytes, bool]:
        return b"", True


@dataclass
class Queue:
    """In the place of the device's: tells what was put."""

    put_ids: SimpleQueue[int] = field(default_factory=SimpleQueue)
    cancelled: list[int] = field(default_factory=list)
    drained: threading.Event = field(default_factory=threading.Event)

    def refuse_other(self, request: Any) -> None:
        assert request.job is not None

    def put(self, request: Any) -> None:
        self.put_ids.put(request.frame_id)

    def cancel(self, frame_id: int) -> None:
        self.cancelled.append(frame_id)

    def drain(self) -> None:
        self.drained.set()


@dataclass
class Models:
    """One task, whose requests with `slow` wait to be let go."""

    begun: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def prepare_of(self, number: int, task: str) -> Any:
        return self.prepare

    def prepare(self, data: bytes) -> DeviceJob:
        if data == b"slow":
            self.begun.set()
            assert self.go_on.wait(20)
        return Nothing()


def request(number: int, data: bytes) -> wire.ServerFrame:
    return wire.ServerFrame(id=number, request=wire.Request(task="speak", input=data))


@pytest.fixture
def parts():
    queue, models = Queue(), Models()
    loaded = SimpleNamespace(sequences=None, arrays_alone=False, prepares_long=True)
    intake = Intake(loaded, models, queue, SimpleNamespace(send=lambda frame: None), Stopwatch())  # type: ignore[arg-type]
    yield intake, queue, models
    models.go_on.set()


def test_a_quick_request_passes_a_slow_one(parts):
    intake, queue, models = parts
    intake.handle(request(1, b"slow"))
    assert models.begun.wait(20)
    intake.handle(request(2, b"quick"))
    assert queue.put_ids.get(timeout=20) == 2
    assert list(intake.preparing().ids) == [1]
    models.go_on.set()
    assert queue.put_ids.get(timeout=20) == 1


def test_a_request_that_is_cancelled_in_preparation_is_never_queued(parts):
    intake, queue, models = parts
    intake.handle(request(1, b"slow"))
    assert models.begun.wait(20)
    intake.handle(wire.ServerFrame(id=1, cancel=wire.Cancel()))
    intake.handle(wire.ServerFrame(drain=wire.Drain()))
    assert not queue.drained.is_set(), "what is prepared comes first"
    models.go_on.set()
    assert queue.drained.wait(20)
    assert queue.put_ids.empty()
    assert queue.cancelled == []
