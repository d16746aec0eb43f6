"""Runs a model that generates: one thread submits prompts, the other takes a step's deltas and sends the parts.

A step's parts go out as one frame. Neither a caller nor a server that is slow to read holds the loop up: what a step
gives is kept in the requests' jobs, and the next part has it all.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.api import FinishReason, GenerationStatistics, TokenDelta, TokenModel
from panope_backends.errors import InternalError, InvalidInputError, OverloadedError, PanopeError
from panope_backends.worker import log
from panope_backends.worker.connection import Outbox
from panope_backends.worker.parts import error_for_caller, send_parts
from panope_backends.worker.requests import TokenRequest, microseconds
from panope_backends.worker.step.queue import TokenQueue
from panope_backends.worker.step.token_counts import TokenCounts

#: The longest that one call of `deltas` waits; the server hears of a longer step as one that hangs.
STEP_WAIT_SECONDS = 1.0

#: After which a prompt is submitted again that the model had no slot for.
FULL_SECONDS = 0.05


class StepExecutor:
    """Runs steps until the queue is drained."""

    def __init__(self, model: TokenModel, queue: TokenQueue, outbox: Outbox) -> None:
        self._model = model
        self._queue = queue
        self._outbox = outbox
        self._counts = TokenCounts()

    def run(self) -> None:
        """Returns when the queue is drained."""
        threading.Thread(target=self._submit_all, name="submit", daemon=True).start()
        while self._queue.wait_for_work():
            started = time.perf_counter()
            deltas = self._model.deltas(STEP_WAIT_SECONDS)
            ended = time.perf_counter()
            self._queue.step_ended(ended - started)
            self._send(self._parts(deltas, ended))

    def statistics(self) -> wire.GenerationStatistics:
        """What the model does and has done, for heartbeats; from any thread."""
        told, counts = self._model.statistics(), self._counts
        if told == GenerationStatistics():  # the engine does not say
            told = GenerationStatistics(
                running=self._queue.sequences,
                prompt_tokens=counts.prompt_tokens,
                cached_tokens=counts.cached_tokens,
                completion_tokens=counts.completion_tokens,
            )
        return wire.GenerationStatistics(
            **asdict(told),
            token_intervals=tuple(counts.intervals),
            token_interval_seconds=counts.interval_seconds,
        )

    def _submit_all(self) -> None:
        while (prompt := self._queue.next_prompt()) is not None:
            request, index, _ = prompt
            if request.job.requests[index].grammar is None:
                self._submit(*prompt)
            else:  # it may take seconds to compile, in which others are submitted; slots bound how many do so
                threading.Thread(target=self._submit, args=prompt, name="submit-grammar", daemon=True).start()

    def _submit(self, request: TokenRequest, index: int, model_id: int) -> None:
        # An engine that knows no priority has the queues' order alone.
        priority = request.priority if "priority" in self._model.honoured else 0
        try:
            self._model.submit(replace(request.job.requests[index], id=model_id, priority=priority))
        except OverloadedError:
            self._queue.put_back(model_id, FULL_SECONDS)
        except InvalidInputError as error:
            self._refuse(request, model_id, request.job.located(index, error))
        except PanopeError as error:
            self._refuse(request, model_id, error)
        except Exception as error:  # engines raise what they like, and one request must not end the worker
            log.error("request_submit_failed", error, request_id=request.request_id)
            self._refuse(request, model_id, InternalError("the model failed to take the request"))
        else:
            if request.over:  # cancelled meanwhile, perhaps before the model knew it
                self._model.cancel(model_id)

    def _refuse(self, request: TokenRequest, model_id: int, error: PanopeError) -> None:
        self._queue.refused(model_id)
        self._fail(request, error)

    def _fail(self, request: TokenRequest, error: PanopeError) -> None:
        """Answers a request with its failure, unless it is over; what runs of it ends."""
        if self._queue.end(request):
            self._send([request.failure_part(error)])

    def _parts(self, deltas: Sequence[TokenDelta], now: float) -> list[wire.Part]:
        """What a step that ended just now has to tell, a part for each request that hears of it."""
        count = self._queue.sequences
        touched: dict[TokenRequest, None] = {}
        for delta in deltas:
            owner = self._queue.owner(delta.request_id)
            self._counts.note(delta, now, {} if owner is None else owner[0].token_times)
            if owner is not None and self._take(*owner, delta):
                touched[owner[0]] = None
                owner[0].came(now)
            if delta.usage is not None:
                self._queue.prompt_ended(delta.request_id)
        return [part for request in touched if (part := self._part(request, count)) is not None]

    def _take(self, request: TokenRequest, index: int, delta: TokenDelta) -> bool:
        """Hands a delta to its job; False when the request has failed."""
        try:
            if delta.finish_reason in (FinishReason.ERROR, FinishReason.CANCELLED):
                raise delta.error or InternalError("the model ended the answer before its end")
            request.job.take(index, delta)
            if delta.usage is not None:
                self._queue.more(request)
        except Exception as error:  # of one request; the others go on
            log.failed("generation_failed", error, request_id=request.request_id)
            self._fail(request, error_for_caller(error))
        return not request.over

    def _part(self, request: TokenRequest, count: int) -> wire.Part | None:
        """A request's next part; None while there is none, or it would have to wait."""
        request.timing.batch_size = max(request.timing.batch_size, count)
        if request.over or not (request.is_complete or self._may_send(request)):
            return None
        try:
            output = request.job.part()
        except Exception as error:  # a defect in making one part must not end the worker
            log.error("response_failed", error, request_id=request.request_id)
            self._fail(request, error_for_caller(error))
            return None
        if not request.is_complete:
            return None if output is None else request.part(output)
        if not self._queue.end(request):
            return None
        request.timing.batch_wait_microseconds = microseconds(request.started - request.accepted)
        request.timing.run_microseconds = microseconds(time.perf_counter() - request.started)
        return request.last_part(output or b"")

    def _may_send(self, request: TokenRequest) -> bool:
        return not request.paused and not self._outbox.is_full

    def _send(self, parts: Iterable[wire.Part]) -> None:
        for frame_id in send_parts(self._outbox, list(parts), wait=False):
            self._queue.cancel(frame_id)
