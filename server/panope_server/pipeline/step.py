"""How the steps of a request's way fit together.

A step wraps the rest of the way as one awaited call, from before the first part of an answer to after its last: a
deadline, a permit or an account around `await forward(call)` holds for streams and single answers alike. The parts
themselves go to `call.output` as they come. A step that puts a sink of its own before that takes it away at its end: a
call and a sink that know each other would stay, with all that was asked and answered, until garbage is looked for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import reduce
from typing import Protocol

from panope_server.pipeline.call import Call, Collected
from panope_server.pipeline.stream import AnswerStream
from panope_server.tasks.catalog import task_of
from panope_server.tasks.task import Output

Next = Callable[[Call], Awaitable[None]]
"""The rest of the way; returns when the answer is complete."""


class Step(Protocol):
    """One step; it may change the call, refuse it, or answer without the rest of the way."""

    def __call__(self, call: Call, forward: Next) -> Awaitable[None]:
        """Handles the call, usually by awaiting `forward`."""


class Pipeline:
    """The steps in their order, with what answers at the end."""

    def __init__(self, steps: Sequence[Step], last: Next) -> None:
        self._run = reduce(_before, reversed(steps), last)

    async def run(self, call: Call) -> Output:
        """Takes a call all the way; its whole answer."""
        call.output = collected = Collected()
        await self._run(call)
        parts = collected.parts
        answer: Output = parts[0] if len(parts) == 1 else task_of(call.input).join(parts)
        return answer

    async def take(self, call: Call) -> None:
        """Takes a call all the way; the parts of its answer go to its own `output`."""
        await self._run(call)

    def stream(self, call: Call) -> AnswerStream:
        """The parts of a call's answer as they come: `async with pipeline.stream(call) as parts: async for part …`.

        Leaving the block before the end cancels the call.
        """
        return AnswerStream(call, self._run)


def _before(forward: Next, step: Step) -> Next:
    handle = step.__call__  # looked up once, and not for every call

    def run(call: Call) -> Awaitable[None]:
        return handle(call, forward)

    return run
