"""What models are measured with, by their task."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from panope_server.tasks.catalog import tasks
from panope_server.tasks.task import Workload

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


def deciding_workload(task: str, measured: Collection[str]) -> str:
    """The name of the workload whose throughput ranks candidates to run models of a task.

    Args:
        task: of the models.
        measured: the names of workloads that one of them was measured with: not every workload suits every model.

    Returns:
        The first that was measured; empty when none was.
    """
    return next((workload.name for workload in workloads_of(task) if workload.name in measured), "")
