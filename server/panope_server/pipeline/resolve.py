"""From the name in a call, a model's or an alias, to a model that the registry knows."""

from __future__ import annotations

from typing import Protocol

from panope_backends.errors import InvalidInputError, PanopeError
from panope_registry.inspect.tasks import ambiguous_task
from panope_server.pipeline.call import Call
from panope_server.pipeline.step import Next
from panope_server.runtime.models.directory import ResolvedModel
from panope_server.tasks.catalog import task_of


class Directory(Protocol):
    """Knows which models exist."""

    async def resolve(self, name: str) -> ResolvedModel:
        """The model that a name means: itself, or where the alias of that name points; NotFoundError for none."""

    async def default_for(self, task: str) -> str | None:
        """The model of calls that name none; None when there is no such model."""


class Resolve:
    """The step that finds the model, or the default when the call names none, and checks that it has the task."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def __call__(self, call: Call, forward: Next) -> None:
        """Forwards the call with the name of an existing model."""
        if not call.requested_model:
            default = await self._directory.default_for(call.task)
            if default is None:
                raise InvalidInputError.at(
                    "model",
                    "{field} is missing, and there is no default model: not exactly one model here {which}; name one, "
                    "or set `default_model`",
                    which=f"serves `{call.task}`" if call.task else "is the only one of its task",
                )
            call.requested_model = default
        model = await self._directory.resolve(call.requested_model)
        call.resolved, call.resolved_model = model, model.key
        if call.task and model.task != call.task and model.task not in task_of(call.input).also_by:
            raise _mismatch(model, call.task)
        await forward(call)


def _mismatch(model: ResolvedModel, task: str) -> PanopeError:
    if not model.task and model.task_candidates:
        return ambiguous_task(model.key, model.task_candidates)
    has = f"its task is `{model.task}`" if model.task else "it has no known task"
    return InvalidInputError(
        f"model `{model.key}` does not serve `{task}`: {has}", reason="task_mismatch", field="model"
    )
