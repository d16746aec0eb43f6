"""Makes jobs of requests and queues them: the loop of the worker's intake thread.

Making tokens here keeps the device busy with the batch before; `tokenizers` releases the interpreter lock for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import InternalError, OverloadedError, PanopeError
from panope_backends.tasks.task import Answered, ArrayJob, DeviceJob, Job, SequenceJob, TokenJob
from panope_backends.worker import log
from panope_backends.worker.adapters import ServedModels
from panope_backends.worker.batch.queue import DeviceQueue
from panope_backends.worker.connection import Outbox
from panope_backends.worker.flow import Flow
from panope_backends.worker.loading import ServedModel
from panope_backends.worker.preparers import Preparers
from panope_backends.worker.progress import Busy, Stopwatch
from panope_backends.worker.requests import (
    ArrayRequest,
    DeviceRequest,
    Request,
    SequenceRequest,
    TokenRequest,
    failure_part,
    is_late,
    microseconds,
)
from panope_backends.worker.step.queue import TokenQueue

AnyQueue = DeviceQueue | TokenQueue


class UnknownFrameError(Exception):
    """The server sent a frame that has no meaning here; the two ends are not of one version."""


class Intake:
    """Handles one frame after the other; used by one thread.

    Args:
        models: by which requests find theirs.
        preparing: told which request tokens are made for.
    """

    def __init__(
        self, loaded: ServedModel, models: ServedModels, queue: AnyQueue, outbox: Outbox, preparing: Stopwatch
    ) -> None:
        self._models = models
        self._row_width = 0 if loaded.sequences is None else loaded.sequences.row_width
        self._arrays_alone = loaded.arrays_alone
        self._queue = queue
        self._outbox = outbox
        self._preparing = preparing
        # A text to embed is prepared in less time than a thread takes to wake.
        self._preparers = Preparers(self._prepared, queue.drain) if loaded.prepares_long else None
        self._is_draining = False

    def handle(self, frame: wire.ServerFrame) -> None:
        """Queues or answers a frame.

        Raises:
            UnknownFrameError: the frame has no meaning here.
        """
        match frame.WhichOneof("body"):
            case "request":
                self._take(frame)
            case "cancel":
                if self._preparers is None or not self._preparers.cancel(frame.id):
                    self._queue.cancel(frame.id)
            case "flow":
                self._queue.pause(frame.id, paused=frame.flow.paused)
            case "load_adapter":
                self._models.load(frame.load_adapter)
            case "unload_adapter":
                self._models.unload(frame.unload_adapter.model_number)
            case "drain":
                self._is_draining = True
                if self._preparers is None:
                    self._queue.drain()
                else:
                    self._preparers.drain()
            case kind:
                raise UnknownFrameError(kind or "nothing")

    def preparing(self) -> Busy:
        """What is prepared now."""
        return self._preparing.read() if self._preparers is None else self._preparers.read()

    def _take(self, frame: wire.ServerFrame) -> None:
        if self._is_draining:
            self._send(failure_part(frame.id, OverloadedError("the worker is ending")))
        elif self._preparers is not None:
            self._preparers.put(frame)
        else:
            self._preparing.start([frame.id])
            self._prepared(frame)()
            self._preparing.stop()

    def _prepared(self, frame: wire.ServerFrame) -> Callable[[], None]:
        """What is left to do for a request: to queue it, or to send what became of it."""
        if is_late(frame.deadline_nanoseconds):
            return _nothing
        try:
            return self._accepted(frame)
        except PanopeError as error:
            part = failure_part(frame.id, error)
        except BaseException as error:  # nor must a defect, or a panic of the tokenizer's own code, end the worker
            log.error("request_prepare_failed", error, request_id=frame.request_id)
            part = failure_part(frame.id, InternalError("the request could not be prepared"))
        return partial(self._send, part)

    def _accepted(self, frame: wire.ServerFrame) -> Callable[[], None]:
        prepare = self._models.prepare_of(frame.request.model_number, frame.request.task)
        started = time.perf_counter()
        job = prepare(frame.request.input)
        accepted = time.perf_counter()
        timing = wire.Timing(tokenize_microseconds=microseconds(accepted - started))
        if isinstance(job, Answered):
            return partial(self._answer, wire.Part(id=frame.id, output=job.output, last=True, timing=timing))
        request = self._request(frame, accepted, timing, job)
        request.priority, request.deadline = frame.priority, frame.deadline_nanoseconds
        self._queue.refuse_other(request)
        return partial(self._queue.put, request)

    def _request(self, frame: wire.ServerFrame, accepted: float, timing: wire.Timing, job: Job) -> Request:
        priority_class = (frame.priority > 0) - (frame.priority < 0)
        flow = Flow(frame.flow_id or frame.id, frame.caller_id, priority_class)
        if isinstance(job, DeviceJob):
            return DeviceRequest(frame.id, flow, frame.request_id, accepted, wire.Timing(), job=job)
        if isinstance(job, TokenJob):
            return TokenRequest(frame.id, flow, frame.request_id, accepted, timing, job=job)
        if isinstance(job, ArrayJob):
            return ArrayRequest(
                frame.id,
                flow,
                frame.request_id,
                accepted,
                timing,
                job=job,
                items=job.items,
                rows=[{}] * len(job.items),
                missing=len(job.items),
                alone=self._arrays_alone,
            )
        assert isinstance(job, SequenceJob)
        count = len(job.sequences)
        rows = np.empty((count, self._row_width), np.float32) if self._row_width else np.empty(count, object)
        return SequenceRequest(frame.id, flow, frame.request_id, accepted, timing, job=job, rows=rows, missing=count)

    def _answer(self, part: wire.Part) -> None:
        try:
            self._send(part)
        except PanopeError as error:  # it is too long to send
            self._send(failure_part(part.id, error))

    def _send(self, part: wire.Part) -> None:
        self._outbox.send(wire.WorkerFrame(parts=[part]))


def _nothing() -> None:
    """What is left to do for a request for which nobody waits."""
