"""The variants that a variant was converted from, one after another."""

from __future__ import annotations

from sqlalchemy import CTE, ColumnElement, or_, select

from panope_registry.tables.model_tables import variant


def with_sources(start: ColumnElement[bool]) -> CTE:
    """Selects the ids of the variants that `start` is true of, and of all that they were converted from.

    The table has the columns `id`, `derived_from_id` and `task`, the task of the variant at the start.
    """
    line = select(variant.c.id, variant.c.derived_from_id, variant.c.task).where(start).cte("line", recursive=True)
    return line.union(
        select(variant.c.id, variant.c.derived_from_id, line.c.task).join(line, variant.c.id == line.c.derived_from_id)
    )


def is_for(task: ColumnElement[str | None], model_task: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a variant of that task is one of a model's: what came with its repo is, whatever the model's task."""
    return or_(task.is_(None), task == model_task)
