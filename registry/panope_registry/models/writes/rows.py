"""Inserts of rows that are needed by their ids."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, Table, insert, select


def ensure_row(connection: Connection, table: Table, key: dict[str, object], others: dict[str, object]) -> int:
    """Returns the id of the row with this key; inserts it, with the other values, if there is none."""
    known = connection.execute(select(table.c.id).filter_by(**key)).scalar_one_or_none()
    return int(known) if known is not None else insert_row(connection, table, key | others)


def insert_row(connection: Connection, table: Table, values: Mapping[str, object]) -> int:
    """Inserts a row and returns its id."""
    row_id = connection.execute(insert(table).values(values).returning(table.c.id)).scalar_one()
    return int(row_id)
