"""The registry's tables: columns, keys, constraints and indexes by their names."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

from panope_registry.tables.all_tables import metadata

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # the library has no type


def listing() -> str:
    """Every table by its name, in the types of PostgreSQL."""
    tables = sorted(metadata.tables.values(), key=lambda table: table.name)
    return "\n\n".join("\n".join(_lines(table)) for table in tables) + "\n"


def _lines(table: Table) -> Iterator[str]:
    yield f"table {table.name}"
    for column in table.columns:
        kind = column.type.compile(_DIALECT)
        keys = "".join(f", {key.target_fullname}" for key in sorted(column.foreign_keys, key=str))
        yield f"    {column.name} {kind}{' null' if column.nullable else ''}{keys}"
    preparer = _DIALECT.identifier_preparer
    yield from sorted(f"    constraint {preparer.format_constraint(constraint)}" for constraint in table.constraints)
    yield from sorted(f"    index {index.name}" for index in table.indexes)
