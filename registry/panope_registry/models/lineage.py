"""The variants that a variant was converted from, one after another."""

from __future__ import annotations

from sqlalchemy import CTE, ColumnElement, select

from panope_registry.tables.model_tables import variant


def with_sources(start: ColumnElement[bool]) -> CTE:
    """Selects the ids of the variants that `start` is true of, and of all that they were converted from.

    The table has the columns `id` and `derived_from_id`.
    """
    line = select(variant.c.id, variant.c.derived_from_id).where(start).cte("line", recursive=True)
    return line.union(
        select(variant.c.id, variant.c.derived_from_id).join(line, variant.c.id == line.c.derived_from_id)
    )
