"""How the steps of a request's way fit together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import reduce
from typing import Protocol

from panope_server.pipeline.call import Call
from panope_server.tasks.task import Output

Next = Callable[[Call], Awaitable[Output]]
"""The rest of the way."""


class Step(Protocol):
    """One step; it may change the call, refuse it, or answer without the rest of the way."""

    async def __call__(self, call: Call, forward: Next) -> Output:
        """Handles the call, usually by awaiting `forward`."""


class Pipeline:
    """The steps in their order, with what answers at the end."""

    def __init__(self, steps: Sequence[Step], last: Next) -> None:
        self._run = reduce(_before, reversed(steps), last)

    async def run(self, call: Call) -> Output:
        """Takes a call all the way."""
        return await self._run(call)


def _before(forward: Next, step: Step) -> Next:
    async def run(call: Call) -> Output:
        return await step(call, forward)

    return run
