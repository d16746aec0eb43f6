"""From the name in a call, a model's or an alias, to a model that the registry knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from panope_backends.errors import InvalidInputError, PanopeError
from panope_registry.inspect.tasks import ambiguous_task
from panope_server.pipeline.call import Call
from panope_server.pipeline.step import Next
from panope_server.tasks.task import Output


class Directory(Protocol):
    """Knows which models exist."""

    async def model_for(self, name: str) -> str:
        """The model that a name means: itself, or where the alias of that name points."""

    async def task_of(self, model: str) -> str:
        """The model's task; NotFoundError when there is no such model."""

    async def task_candidates_of(self, model: str) -> Sequence[str]:
        """The tasks among which somebody must decide; empty when one is decided, or nothing is known."""

    async def default_for(self, task: str) -> str | None:
        """The model of calls that name none; None when there is no such model."""


class Resolve:
    """The step that finds the model, or the default when the call names none, and checks that it has the task."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def __call__(self, call: Call, forward: Next) -> Output:
        """Forwards the call with the name of an existing model."""
        if not call.model:
            default = await self._directory.default_for(call.task)
            if default is None:
                raise InvalidInputError("`model` is missing and there is no default model", field="model")
            call.model = default
        call.asked = call.model
        call.model = await self._directory.model_for(call.model)
        task = await self._directory.task_of(call.model)
        call.resolved, call.model_task = True, task
        if call.task and task != call.task:
            raise await self._mismatch(call, task)
        return await forward(call)

    async def _mismatch(self, call: Call, task: str) -> PanopeError:
        candidates = () if task else await self._directory.task_candidates_of(call.model)
        if candidates:
            return ambiguous_task(call.model, candidates)
        has = f"its task is `{task}`" if task else "it has no known task"
        return InvalidInputError(
            f"model `{call.model}` cannot {call.task}: {has}", reason="task_mismatch", field="model"
        )
