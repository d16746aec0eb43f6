"""From a JSON value to the input of a task: the model's own, or the one that the call names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from panope_backends.errors import Field, InvalidInputError, PanopeError
from panope_registry.inspect.tasks import ambiguous_task
from panope_server.pipeline.call import Call
from panope_server.pipeline.step import Next
from panope_server.runtime.models.directory import ResolvedModel
from panope_server.tasks.catalog import task_named, tasks
from panope_server.tasks.task import JsonForm
from panope_server.tasks.value import ValueInput


class ReadValue:
    """The step that reads a call's value; it follows Resolve, for the model says which task the value is for.

    Args:
        check: refuses inputs that no model could run.
    """

    def __init__(self, check: Callable[[Call], None]) -> None:
        self._check = check

    async def __call__(self, call: Call, forward: Next) -> None:
        """Forwards the call with the input of a task."""
        given = call.input
        if isinstance(given, ValueInput):
            assert call.resolved is not None, "the step Resolve comes before"
            call.input = given.read(_form_of(given, call.resolved), given.value)
            self._check(call)
        await forward(call)


def _form_of(given: ValueInput, model: ResolvedModel) -> JsonForm[Any, Any]:
    name = given.task or model.task
    if not name:
        raise _undecided(model)
    task = task_named(name)
    if task is not None and task.json is not None:
        return task.json
    if given.task:
        known = ", ".join(f"`{task.name}`" for task in tasks() if task.json is not None)
        raise InvalidInputError.at(
            "task",
            "{field} is `{name}`, which takes no {value}; {known} do",
            name=name,
            value=Field("value"),
            known=known,
        )
    raise InvalidInputError.at(
        "value",
        "model `{model}` takes no {field}, because its task is `{name}`; {inputs} run it as it is",
        reason="task_mismatch",
        model=model.key,
        name=name,
        inputs=Field("inputs"),
    )


def _undecided(model: ResolvedModel) -> PanopeError:
    if model.task_candidates:
        return ambiguous_task(model.key, model.task_candidates)
    return InvalidInputError.at(
        "value",
        "model `{model}` takes no {field}, because it has no known task; {inputs} run it as it is",
        reason="task_mismatch",
        model=model.key,
        inputs=Field("inputs"),
    )
