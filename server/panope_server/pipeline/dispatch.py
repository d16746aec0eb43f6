"""The end of the way: hands the call's input to the model's instances and its parts to the caller."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from panope_server.pipeline.call import Call
from panope_server.pipeline.hardware import is_asked_for, refusal
from panope_server.runtime.call_context import CallContext
from panope_server.runtime.models.directory import ResolvedModel
from panope_server.runtime.placement.placement import Placement
from panope_server.tasks.catalog import requests_of, task_of
from panope_server.tasks.task import Request


class Runner(Protocol):
    """Runs requests on models."""

    def facts_of(self, model: ResolvedModel) -> object:
        """What is known of a model that has been loaded; None for nothing."""

    async def run(
        self,
        model: ResolvedModel,
        requests: Sequence[Request],
        context: CallContext,
        placement: Placement,
        put: Callable[[bytes], Awaitable[None]],
    ) -> None:
        """Runs the requests of a call on the model's instances and puts each part of their answers, in their order.

        Args:
            model: that the call's name means.
            requests: what to run; they wait, and fail, together.
            context: of the call.
            placement: is told which instance has it, also when there is no answer.
            put: takes the parts.
        """


class Dispatch:
    """What answers a call that passed every step."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    async def __call__(self, call: Call) -> None:
        """Runs the call's input to the end of its answer; admission, the bounded queue, is the model's own.

        The parts go on as they come, those of an input that was split too; who wants one answer joins them.
        """
        assert call.resolved is not None, "the step Resolve comes before"
        task, model = task_of(call.input), call.resolved
        task.check(call.input, self._runner.facts_of(model))
        requests = requests_of(call.input, call.request_id)
        call.input_bytes = sum(len(request.data) for request in requests)

        def put(data: bytes) -> Awaitable[None]:
            if not is_asked_for(call.hardware, call.placement.backend):  # it was loaded meanwhile
                raise refusal(call, call.placement.backend)
            call.output_bytes += len(data)
            return call.output.put(task.decode(data))

        context = CallContext(
            call.request_id, call.caller, call.priority, call.deadline, call.keep_alive, is_shared=call.is_shared
        )
        await self._runner.run(model, requests, context, call.placement, put)
