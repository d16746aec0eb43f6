"""Runs a call and sends its answer: as one JSON body, or as server-sent events while there is more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from google.api.httpbody_pb2 import HttpBody

from panope_backends.errors import CallerError, PanopeError
from panope_server.pipeline.call import Call
from panope_server.tasks.generate.types import GenerateOutput
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.rest.json.events import EVENTS, PING, known_error
from panope_server.transport.rest.json.requests import JSON, off_loop
from panope_server.transport.rest.json.responses import messages_of
from panope_server.transport.rest.json.unknown_fields import UnknownFields

#: After so long without a piece, a comment tells that the connection lives. It commits the status 200, so it is longer
#: than most answers take to begin.
PING_SECONDS = 10.0

#: Bytes of JSON for a token of an answer with its log-probabilities, and for each likely one beside it.
_TOKEN_BYTES = 80

T = TypeVar("T")


class Answer(Protocol):
    """One answer of a route, in the route's shape."""

    def whole(self, output: GenerateOutput) -> bytes:
        """The JSON of the whole answer."""

    def events(self, part: GenerateOutput) -> bytes:
        """The events of what there is more."""

    def end(self) -> bytes:
        """The events of a good end."""

    def failed(self, error: PanopeError) -> bytes:
        """The event of a bad end."""


@dataclass
class Responder:
    """Answers calls.

    Args:
        pipeline: runs them.
        ping_seconds: after which a waiting caller is sent a comment.
    """

    pipeline: Pipeline
    ping_seconds: float = PING_SECONDS

    async def whole(
        self, call: Call, answer: Answer, name_of: Callable[[str], str], unknown: UnknownFields, context: Context
    ) -> AsyncIterator[HttpBody]:
        """Sends the whole answer as JSON.

        Args:
            call: to run.
            answer: in the route's shape.
            name_of: what the body calls a field of GenerateInput.
            unknown: what the body had that nobody read.
            context: of the call.
        """
        try:
            output = await self.pipeline.run(call)
        except CallerError as error:
            raise error.renamed(name_of) from None
        assert isinstance(output, GenerateOutput)
        data = await off_loop(_size(output), answer.whole, output)
        unknown.tell(context)
        for message in messages_of(JSON, data):
            yield message

    async def streamed(
        self, call: Call, answer: Answer, name_of: Callable[[str], str], unknown: UnknownFields, context: Context
    ) -> AsyncIterator[HttpBody]:
        """Sends the answer as events; an error before the first is raised, for there is still a status to send it in.

        The arguments are those of `whole`.
        """
        begun = False
        try:
            async with self.pipeline.stream(call) as parts:
                async for part in with_pauses(parts, self.ping_seconds):
                    assert part is None or isinstance(part, GenerateOutput)
                    data = PING if part is None else answer.events(part)
                    for message in messages_of("" if begun else EVENTS, data):
                        if not begun:
                            unknown.tell(context)
                        begun = True
                        yield message
            last = answer.end()
            assert begun, "an answer has a part"
        except Exception as error:  # the boundary: whatever it is must not look like a good end
            known = error.renamed(name_of) if isinstance(error, CallerError) else error
            if not begun:
                raise known from None
            last = answer.failed(known_error(known))
        for message in messages_of("", last):
            yield message


async def with_pauses(parts: AsyncIterator[T], seconds: float) -> AsyncIterator[T | None]:
    """The parts, and None each time that so long there was none.

    Args:
        parts: an iterator whose waits may be cancelled and begun again.
        seconds: of a pause.
    """
    while True:
        try:
            async with asyncio.timeout(seconds) as pause:
                part = await anext(parts)
        except StopAsyncIteration:
            return
        except TimeoutError:
            if not pause.expired():
                raise
            yield None
        else:
            yield part


def _size(output: GenerateOutput) -> int:
    """About the bytes of an answer's JSON."""
    size = 0
    for delta in output.deltas:
        told = [*delta.logprobs, *delta.prompt_logprobs]
        size += len(delta.text) + _TOKEN_BYTES * sum(1 + len(each.top) for each in told)
    return size
