"""A model that generates on a server elsewhere, as a `TokenModel`.

Each request is a task on the connection's event loop, or one for each answer where the protocol gives one at a time.
The ends of answers are told together, when it is known what the request took.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace

from panope_backends.api import FinishReason, GenerationRequest, GenerationUsage, TokenDelta, TokenModel
from panope_backends.engines.remote.connection import Connection
from panope_backends.engines.remote.generation.dialect import Answers, Asked, Dialect
from panope_backends.engines.remote.generation.events import events_of
from panope_backends.engines.remote.generation.servers import Server, dialect_of, look_at
from panope_backends.engines.remote.refusals import TOO_LONG, broke_off
from panope_backends.engines.running_requests import RunningRequests
from panope_backends.errors import InternalError, InvalidInputError, PanopeError
from panope_backends.upstreams.description import Upstream

_DRAIN_SECONDS = 0.2


@dataclass(eq=False)
class _Running:
    """A request on its way."""

    request: GenerationRequest
    asked: Sequence[Asked]
    answers: Sequence[Answers]
    has_ended: bool = False
    work: Future[None] | None = field(default=None)


class RemoteTokenModel(TokenModel):
    """The model.

    Args:
        dialect: of the server's protocol.
        connection: to the server; closed with the model.
        server: what it tells of the model.
        slots: answers that are waited for at once.
    """

    precision = "fp32"
    is_tried = True

    def __init__(self, dialect: Dialect, connection: Connection, server: Server, slots: int) -> None:
        self.slots = min(slots, server.max_requests or slots)
        self.max_positions = server.max_positions
        self.honoured = dialect.honoured
        self._dialect = dialect
        self._connection = connection
        self._requests = RunningRequests[_Running](self.slots)

    @classmethod
    def loaded(cls, upstream: Upstream, connection: Connection, slots: int) -> RemoteTokenModel:
        """The model, once its server has told that it has it.

        Raises:
            PreconditionError: it has not.
            AvailabilityError: it does not answer.
        """
        server = connection.call(look_at(upstream, connection))
        return cls(dialect_of(upstream), connection, server, slots)

    def unsupported(self, request: GenerationRequest) -> tuple[str, ...]:
        """Of fields, and of values of them."""
        return (*super().unsupported(request), *self._dialect.unsupported(request))

    def submit(self, request: GenerationRequest) -> None:
        """Takes a request, or refuses it."""
        self.require_supported(request)
        if request.n > self.slots:
            raise InvalidInputError(f"the model has {self.slots} slots", field="n")
        count = len(request.prompt_token_ids)
        if self.max_positions and count >= self.max_positions:
            raise InvalidInputError.at(
                "prompt_token_ids",
                "{field} has {count:,} tokens and leaves no room in the model's {limit:,} positions",
                reason=TOO_LONG,
                count=count,
                limit=self.max_positions,
            )
        asked = self._dialect.asked(request)
        running = _Running(request, asked, [self._dialect.answers(request, index) for index in range(len(asked))])
        with self._requests.changed:
            self._requests.add(running)
            running.work = self._connection.start(self._run(running))

    def deltas(self, timeout_seconds: float) -> Sequence[TokenDelta]:
        """Gives what came since the last call."""
        return self._requests.take(timeout_seconds)

    def cancel(self, request_id: int) -> None:
        """Closes the exchanges, by which the server learns that nobody listens."""
        with self._requests.changed:
            running = self._requests.get(request_id)
            if running is None or running.work is None:
                return
            work = running.work
        self._end(running, FinishReason.CANCELLED, None)
        work.cancel()

    def close(self) -> None:
        """Drops what runs."""
        if self._requests.close() is not None:
            self._connection.close()

    async def _run(self, running: _Running) -> None:
        """Reads the answers to a request to their ends."""
        error: PanopeError | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for asked, answers in zip(running.asked, running.answers, strict=True):
                    group.create_task(self._read(running, asked, answers))
        except* PanopeError as failed:
            error = next(each for each in failed.exceptions if isinstance(each, PanopeError))
        except* Exception as defects:
            error = InternalError("the model failed to run")
            error.__cause__ = defects
        self._end(running, FinishReason.ERROR if error is not None else None, error)

    async def _read(self, running: _Running, asked: Asked, answers: Answers) -> None:
        """Reads the events of one exchange; what comes after the end of every answer is of no interest."""
        try:
            accept = {"accept": "text/event-stream"}
            async with self._connection.exchange(
                "POST", asked.path, asked.body, headers=accept, fields=asked.fields, prompt=asked.prompt
            ) as answer:
                async with aclosing(events_of(answer)) as events:
                    async for event in events:
                        self._give(running, answers.take(event))
                        if answers.is_complete:
                            await _drain(events)
                            return
                if not answers.has_ended:
                    raise broke_off()
        except PanopeError:
            if not answers.has_ended:
                raise

    def _give(self, running: _Running, deltas: Sequence[TokenDelta], *, is_last: bool = False) -> None:
        if not deltas:
            return
        with self._requests.changed:
            if not running.has_ended:
                running.has_ended = is_last
                self._requests.give(deltas)

    def _end(self, running: _Running, reason: FinishReason | None, error: PanopeError | None) -> None:
        """Tells the end of each answer, of the last one with what all took."""
        ends = {delta.index: delta for answers in running.answers for delta in answers.ends()}
        blank = TokenDelta(running.request.id, finish_reason=reason or FinishReason.ERROR, error=error)
        made = [ends.get(index, replace(blank, index=index)) for index in range(running.request.n)]
        made[-1] = replace(made[-1], usage=_sum([answers.usage() for answers in running.answers]))
        self._give(running, made, is_last=True)


async def _drain(events: AsyncIterator[bytes]) -> None:
    """Reads what follows the end, by which a connection is of use for the next request; a server has little to add."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in events:
                pass


def _sum(usages: Sequence[GenerationUsage]) -> GenerationUsage:
    """What several exchanges for one prompt took."""
    return GenerationUsage(
        prompt_tokens=max(usage.prompt_tokens for usage in usages),
        completion_tokens=sum(usage.completion_tokens for usage in usages),
        cached_tokens=usages[0].cached_tokens,
    )
