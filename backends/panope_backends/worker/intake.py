"""Makes jobs of requests and queues them: the loop of the worker's intake thread.

Making tokens here keeps the device busy with the batch before; `tokenizers` releases the interpreter lock for it.
"""

from __future__ import annotations

import time

import numpy as np

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import InternalError, OverloadedError, PanopeError, PreconditionError
from panope_backends.tasks.task import Answered, DeviceJob, Job, SequenceJob, TokenJob
from panope_backends.worker import log
from panope_backends.worker.batch.queue import DeviceQueue
from panope_backends.worker.connection import Outbox
from panope_backends.worker.loading import ServedModel
from panope_backends.worker.progress import Stopwatch
from panope_backends.worker.requests import (
    DeviceRequest,
    Request,
    SequenceRequest,
    TokenRequest,
    failure_part,
    microseconds,
)
from panope_backends.worker.step.queue import TokenQueue

AnyQueue = DeviceQueue | TokenQueue


class UnknownFrameError(Exception):
    """The server sent a frame that has no meaning here; the two ends are not of one version."""


class Intake:
    """Handles one frame after the other; used by one thread.

    Args:
        preparing: told which request tokens are made for.
    """

    def __init__(self, loaded: ServedModel, queue: AnyQueue, outbox: Outbox, preparing: Stopwatch) -> None:
        self._requests = loaded.requests
        self._row_width = 0 if loaded.sequences is None else loaded.sequences.row_width
        self._queue = queue
        self._outbox = outbox
        self._preparing = preparing

    def handle(self, frame: wire.ServerFrame) -> None:
        """Queues or answers a frame.

        Raises:
            UnknownFrameError: the frame has no meaning here.
        """
        match frame.WhichOneof("body"):
            case "request":
                self._prepare(frame)
            case "cancel":
                self._queue.cancel(frame.id)
            case "flow":
                self._queue.pause(frame.id, paused=frame.flow.paused)
            case "drain":
                self._queue.drain()
            case kind:
                raise UnknownFrameError(kind or "nothing")

    def _prepare(self, frame: wire.ServerFrame) -> None:
        self._preparing.start([frame.id])
        try:
            if self._queue.is_draining:
                raise OverloadedError("the worker is ending")
            self._accept(frame)
        except PanopeError as error:
            self._send(failure_part(frame.id, error))
        except BaseException as error:  # nor must a defect, or a panic of the tokenizer's own code, end the worker
            log.error("request_prepare_failed", error, request_id=frame.request_id)
            self._send(failure_part(frame.id, InternalError("the request could not be prepared")))
        finally:
            self._preparing.stop()

    def _accept(self, frame: wire.ServerFrame) -> None:
        task = frame.request.task
        prepare = self._requests.get(task)
        if prepare is None:
            raise PreconditionError(f"the model does not do the task `{task}`")
        started = time.perf_counter()
        job = prepare(frame.request.input)
        accepted = time.perf_counter()
        flow_id = frame.flow_id or frame.id
        timing = wire.Timing(tokenize_microseconds=microseconds(accepted - started))
        if isinstance(job, Answered):
            self._send(wire.Part(id=frame.id, output=job.output, last=True, timing=timing))
        else:
            self._queue.put(self._request(frame.id, flow_id, frame.request_id, accepted, timing, job))

    def _request(
        self, frame_id: int, flow_id: int, request_id: str, accepted: float, timing: wire.Timing, job: Job
    ) -> Request:
        if isinstance(job, DeviceJob):
            return DeviceRequest(frame_id, flow_id, request_id, accepted, wire.Timing(), job=job)
        if isinstance(job, TokenJob):
            return TokenRequest(frame_id, flow_id, request_id, accepted, timing, job=job)
        assert isinstance(job, SequenceJob)
        count = len(job.sequences)
        rows = np.empty((count, self._row_width), dtype=np.float32)
        return SequenceRequest(frame_id, flow_id, request_id, accepted, timing, job=job, rows=rows, missing=count)

    def _send(self, part: wire.Part) -> None:
        self._outbox.send(wire.WorkerFrame(parts=[part]))
