"""The end of the way: hands the work to the model's instances."""

from __future__ import annotations

from typing import Protocol

from panope_server.pipeline.call import Call
from panope_server.runtime.models.directory import ResolvedModel
from panope_server.runtime.placement.placement import Placement
from panope_server.tasks.task import Input, Output


class Runner(Protocol):
    """Runs work on a model."""

    async def run(self, model: ResolvedModel, work: Input, request_id: str, placement: Placement) -> Output:
        """The answer of one of the model's instances; `placement` tells which, also when there is no answer."""


class Dispatch:
    """What answers a call that passed every step."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    async def __call__(self, call: Call) -> Output:
        """Runs the call's work and waits for the answer; admission, the bounded queue, is the model's own."""
        assert call.resolved is not None, "the step Resolve comes before"
        return await self._runner.run(call.resolved, call.input, call.request_id, call.placement)
