"""How commands tell of tasks that somebody must decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from panope_server.cli.output.console import fail, note

if TYPE_CHECKING:
    from panope_registry.registry import ModelEntry


def task_text(entry: ModelEntry) -> str:
    """The task for people."""
    if entry.task_candidates:
        return f"{' or '.join(entry.task_candidates)}, which is to be decided"
    return entry.task or "no known task"


def require_task(model: str, candidates: Sequence[str]) -> None:
    """Ends the command, whose work is done, with the error of calls to come when somebody must decide."""
    if candidates:
        from panope_registry.inspect.tasks import ambiguous_task

        fail(ambiguous_task(model, candidates).message)


def note_unserved(entry: ModelEntry) -> None:
    """Says that nothing here runs models of its task, which was known or told all the same."""
    from panope_server.tasks.catalog import register_installed, task_named

    register_installed()
    if entry.task and task_named(entry.task) is None:
        note(f"{entry.name}: nothing here serves the task `{entry.task}`; calls will be refused")
