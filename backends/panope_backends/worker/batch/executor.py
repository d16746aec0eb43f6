"""Runs batches on the device and sends the answers: the loop of the worker's main thread."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.api import Arrays
from panope_backends.errors import InternalError, PanopeError
from panope_backends.tasks.task import ArrayTask, Rows, SequenceTask
from panope_backends.worker import log
from panope_backends.worker.batch.pace import Pace
from panope_backends.worker.batch.queue import DeviceQueue
from panope_backends.worker.connection import Outbox
from panope_backends.worker.parts import error_for_caller, send_parts
from panope_backends.worker.requests import ArrayRequest, BatchedRequest, DeviceRequest, Request, Slot


class Executor:
    """Takes batches and steps until the queue is drained.

    Args:
        sequences: runs sequences; None for a model whose requests have none.
        arrays: runs arrays; as above.
        pace: told how long batches take.
    """

    def __init__(
        self,
        sequences: SequenceTask | None,
        arrays: ArrayTask | None,
        queue: DeviceQueue,
        outbox: Outbox,
        pace: Pace,
    ) -> None:
        self._sequences = sequences
        self._arrays = arrays
        self._pace = pace
        self._queue = queue
        self._outbox = outbox

    def run(self) -> None:
        """Returns when the queue is drained."""
        while (taken := self._queue.take()) is not None:
            if isinstance(taken, DeviceRequest):
                self._run_step(taken)
            else:
                self._run_batch(taken)

    def fail(self, request: Request, error: PanopeError) -> None:
        """Answers a request with its failure, unless it is over."""
        if self._queue.end(request):
            self._send([request.failure_part(error)])

    def finish(self, request: BatchedRequest) -> None:
        """Makes a request's next round, or sends its answer; called by any thread."""
        if (answer := self._advance(request)) is not None:
            self._send([answer])

    def _run_batch(self, batch: Sequence[Slot]) -> None:
        started = time.perf_counter()
        try:
            rows, finite = self._rows(batch)
        except Exception as error:  # engines raise what they like, and a batch must not end the worker
            self._halve_or_fail(batch, error)
            return
        ended = time.perf_counter()
        self._pace.record(len(batch) * max(slot.tokens for slot in batch), ended - started)
        for slot, row, is_finite in zip(batch, rows, finite, strict=True):
            self._keep(slot, row, is_finite=is_finite)
        answers = []
        for request, share in _shares(batch).items():
            request.ran(started, ended, len(batch), share)
            if request.over:
                continue
            if request.missing:
                continue
            if request.makes_rounds_slowly:
                self._queue.rounds.put(request)
            elif (answer := self._advance(request)) is not None:
                answers.append(answer)
        self._send(answers)

    def _rows(self, batch: Sequence[Slot]) -> tuple[Rows | Sequence[Arrays], Sequence[bool]]:
        """What the model gives for each item, and whether that is numbers."""
        items = [slot.request.item(slot.index) for slot in batch]
        if isinstance(batch[0].request, ArrayRequest):
            assert self._arrays is not None  # requests over arrays are prepared by the task
            given = self._arrays.run(items)
            return given, [not any(np.isnan(array).any() for array in arrays.values()) for arrays in given]
        assert self._sequences is not None  # requests over sequences are prepared by the task
        rows = self._sequences.run(items)
        width = self._sequences.row_width
        if rows.shape != ((len(batch), width) if width else (len(batch),)):
            raise InternalError("the model gave vectors of another number or width than in its trial run")
        return rows, [bool(np.isfinite(row).all()) for row in rows] if rows.dtype == object else _finite(rows)

    def _keep(self, slot: Slot, row: Rows | Arrays, *, is_finite: bool) -> None:
        request = slot.request
        if request.over:
            return
        if not is_finite:
            log.error("vector_not_finite", request_id=request.request_id)
            self.fail(request, InternalError("the model gave values that are not finite"))
            return
        request.put(slot.index, row)

    def _halve_or_fail(self, batch: Sequence[Slot], error: Exception) -> None:
        """Halves of a batch that failed run again, down to single items, so that one fails alone.

        A batch can fail for its size, such as for want of memory, or for one item that the engine cannot take.
        """
        log.failed(
            "batch_failed",
            error,
            request_ids=sorted({slot.request.request_id for slot in batch}),
            batch_size=len(batch),
            retried=len(batch) > 1,
        )
        if len(batch) == 1:
            self.fail(batch[0].request, error_for_caller(error))
            return
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            # Of a request that failed with the first half, nothing is run any more.
            if wanted := [slot for slot in half if not slot.request.over]:
                self._run_batch(wanted)

    def _advance(self, request: BatchedRequest) -> wire.Part | None:
        """The answer of a request whose rows are complete; None when it is over, or its next round waits."""
        try:
            if request.begin_next():
                self._queue.put_next_items(request)
                return None
            output = request.answer()
        except Exception as error:  # a defect in making one answer must not end the worker
            if not request.over:
                log.failed("response_failed", error, request_id=request.request_id)
                self.fail(request, error_for_caller(error))
            return None
        if not self._queue.end(request):
            return None
        return request.last_part(output)

    def _run_step(self, request: DeviceRequest) -> None:
        started = time.perf_counter()
        try:
            output, is_last = request.job.step()
        except Exception as error:  # a defect in one step must not end the worker
            log.failed("step_failed", error, request_id=request.request_id)
            self.fail(request, error_for_caller(error))
            return
        request.ran(started, time.perf_counter(), 1)
        if not is_last:
            if not request.over and not self._send([request.part(output)]):
                self._queue.end(request)
            self._queue.put_next_step(request)
        elif self._queue.end(request):
            self._send([request.last_part(output)])

    def _send(self, parts: Sequence[wire.Part]) -> bool:
        """Sends parts; False when one is too long to send, and told so."""
        return not send_parts(self._outbox, parts, wait=True)


def _finite(rows: Rows) -> list[bool]:
    finite: list[bool] = np.asarray(np.isfinite(rows).all(axis=1)).tolist()
    return finite


def _shares(batch: Sequence[Slot]) -> dict[BatchedRequest, float]:
    """The requests of a batch in order, each with its part of the batch's tokens."""
    tokens: dict[BatchedRequest, int] = {}
    for slot in batch:
        tokens[slot.request] = tokens.get(slot.request, 0) + slot.tokens
    whole = sum(tokens.values())
    return {request: count / whole for request, count in tokens.items()}
