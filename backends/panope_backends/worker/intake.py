"""Reads frames, prepares requests and queues them: the loop of the worker's intake thread.

Making tokens here keeps the device busy with the batch before; `tokenizers` releases the interpreter lock for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import InternalError, OverloadedError, PanopeError, PreconditionError
from panope_backends.texts import check_tokenize
from panope_backends.worker import log
from panope_backends.worker.connection import Outbox
from panope_backends.worker.loading import ServedModel
from panope_backends.worker.progress import Stopwatch
from panope_backends.worker.queue import DeviceQueue
from panope_backends.worker.requests import SequenceRequest, TensorRequest, failure, microseconds
from panope_backends.worker.tensors import read_inputs, read_output_names


class UnknownFrameError(Exception):
    """The server sent a frame that has no meaning here; the two ends are not of one version."""


class Intake:
    """Handles one frame after the other; used by one thread.

    Args:
        preparing: told which request tokens are made for.
    """

    def __init__(self, loaded: ServedModel, queue: DeviceQueue, outbox: Outbox, preparing: Stopwatch) -> None:
        self._loaded = loaded
        self._queue = queue
        self._outbox = outbox
        self._preparing = preparing
        self._work: dict[str, Callable[[wire.ServerFrame], None]] = {
            "embed": self._sequences,
            "tensors": self._tensors,
            "tokenize": self._tokenize,
            "detokenize": self._detokenize,
        }

    def handle(self, frame: wire.ServerFrame) -> None:
        """Queues or answers a frame.

        Raises:
            UnknownFrameError: the frame has no meaning here.
        """
        kind = frame.WhichOneof("body") or "nothing"
        if kind == "cancel":
            self._queue.cancel(frame.id)
        elif kind == "drain":
            self._queue.drain()
        elif kind in self._work:
            self._prepare(self._work[kind], frame)
        else:
            raise UnknownFrameError(kind)

    def _prepare(self, work: Callable[[wire.ServerFrame], None], frame: wire.ServerFrame) -> None:
        self._preparing.start([frame.id])
        try:
            if self._queue.is_draining:
                raise OverloadedError("the worker is ending")
            work(frame)
        except PanopeError as error:
            self._fail(frame, error)
        except BaseException as error:  # nor must a defect, or a panic of the tokenizer's own code, end the worker
            log.error("request_prepare_failed", error, request_id=frame.request_id)
            self._fail(frame, InternalError("the request could not be prepared"))
        finally:
            self._preparing.stop()

    def _sequences(self, frame: wire.ServerFrame) -> None:
        task = self._loaded.task
        if task is None or self._loaded.task_name != frame.WhichOneof("body"):
            raise PreconditionError(f"the model does not do the task `{frame.WhichOneof('body')}`")
        started = time.perf_counter()
        job = task.prepare(frame)
        accepted = time.perf_counter()
        self._queue.put_sequences(
            SequenceRequest(
                frame_id=frame.id,
                request_id=frame.request_id,
                accepted=accepted,
                timing=wire.Timing(tokenize_microseconds=microseconds(accepted - started)),
                job=job,
                rows=np.empty((len(job.sequences), task.row_width), dtype=np.float32),
                missing=len(job.sequences),
            )
        )

    def _tensors(self, frame: wire.ServerFrame) -> None:
        model = self._loaded.model
        arrays = read_inputs(frame.tensors, model)
        outputs = read_output_names(frame.tensors, model.outputs)
        self._loaded.budget.check(arrays, model, outputs)
        self._queue.put_tensors(
            TensorRequest(
                frame_id=frame.id,
                request_id=frame.request_id,
                accepted=time.perf_counter(),
                timing=wire.Timing(),
                arrays=arrays,
                outputs=outputs,
            )
        )

    def _tokenize(self, frame: wire.ServerFrame) -> None:
        started = time.perf_counter()
        tokenizer = self._loaded.require_tokenizer()
        check_tokenize(frame.tokenize.texts, self._loaded.ready.embed.max_tokens)
        result = tokenizer.tokenize(frame.tokenize)
        timing = wire.Timing(tokenize_microseconds=microseconds(time.perf_counter() - started))
        self._outbox.send(wire.WorkerFrame(id=frame.id, tokenize=result, timing=timing))

    def _detokenize(self, frame: wire.ServerFrame) -> None:
        started = time.perf_counter()
        result = self._loaded.require_tokenizer().detokenize(frame.detokenize)
        timing = wire.Timing(tokenize_microseconds=microseconds(time.perf_counter() - started))
        self._outbox.send(wire.WorkerFrame(id=frame.id, detokenize=result, timing=timing))

    def _fail(self, frame: wire.ServerFrame, error: PanopeError) -> None:
        self._outbox.send(wire.WorkerFrame(id=frame.id, failure=failure(error), timing=wire.Timing()))
