"""What models are measured with, by their task."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from typing import Any

from panope_backends.errors import InvalidInputError
from panope_registry.inspect.tasks import task_word
from panope_registry.names import shown
from panope_server.tasks.catalog import task_named, tasks
from panope_server.tasks.task import Task, Workload

#: The task by which models are run as they are, where nobody knows what they are for.
_AS_THEY_ARE = "tensors"


def workloads_of(task: str) -> Sequence[Workload]:
    """The workloads of models of a task, those of its own first; empty when there are none."""
    wanted = task or _AS_THEY_ARE
    own = (each for each in tasks() if each.name == wanted)
    others = (each for each in tasks() if each.models_of == wanted)
    return [workload for each in (*own, *others) for workload in each.workloads]


def measured_tasks() -> list[str]:
    """The tasks that have workloads."""
    return [task.name for task in tasks() if task.workloads]


def measured_task(name: str) -> Task[Any, Any]:
    """The task of a name, which may be the hub's, whose models `panope bench` measures.

    Raises:
        InvalidInputError: there is no such task, or nothing measures it.
    """
    known = measured_tasks()
    task = task_named(name) or task_named(task_word(name))
    if task is None:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean `{close[0]}`?" if close else f"`panope bench` measures {', '.join(known)}"
        raise InvalidInputError.at("task", "{field}: `{name}` is no task; {hint}", name=shown(name), hint=hint)
    if not task.workloads:
        raise InvalidInputError.at(
            "task",
            "{field}: `panope bench` has no workload for `{name}`; it measures {known}",
            name=task.name,
            known=", ".join(known),
        )
    return task


def models_task(task: Task[Any, Any]) -> str:
    """The task that models have which answer one; empty where nobody knows what they are for."""
    return "" if task.name == _AS_THEY_ARE else task.models_of or task.name


def deciding_workload(task: str, measured: Collection[str]) -> str:
    """The name of the workload whose throughput ranks candidates to run models of a task.

    Args:
        task: of the models.
        measured: the names of workloads that one of them was measured with: not every workload suits every model.

    Returns:
        The first that was measured; empty when none was.
    """
    return next((workload.name for workload in workloads_of(task) if workload.name in measured), "")
