"""Changes of keys and of models' limits: one at a time over all servers, and seen by those who hold copies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, select, update

from panope_registry.tables.access_tables import access_counter
from panope_registry.tables.database import Database


@contextmanager
def changing(database: Database) -> Iterator[Connection]:
    """A write that moves `access_token` first, and so waits for every other: what it then reads stays true to its end.

    On PostgreSQL a write that reads before it has locked anything would work from what another is changing.
    """
    with database.write() as connection:
        connection.execute(update(access_counter).values(value=access_counter.c.value + 1))
        yield connection


def access_token(connection: Connection) -> int:
    """Returns the number that every change raises."""
    return int(connection.execute(select(access_counter.c.value)).scalar_one())
