"""What models are measured with, by their task."""

from __future__ import annotations

from collections.abc import Sequence

from panope_server.tasks.catalog import task_named, tasks
from panope_server.tasks.task import Workload


def workloads_of(task: str) -> Sequence[Workload]:
    """The workloads of models of a task; empty when there are none."""
    known = task_named(task)
    return () if known is None else known.workloads


def measured_tasks() -> list[str]:
    """The tasks that have workloads."""
    return [task.name for task in tasks() if task.workloads]


def deciding_workload(task: str) -> str:
    """The name of the workload whose throughput ranks candidates to run models of a task; empty when there is none."""
    return next((workload.name for workload in workloads_of(task)), "")
