"""How often all servers of a database were told to forget the answers that they keep."""

from __future__ import annotations

from sqlalchemy import select, update

from panope_registry.tables.database import Database
from panope_registry.tables.serving_tables import response_cache_counter


class CacheFlushes:
    """A number that each flush raises. Safe for use by several threads, processes and machines.

    Every method raises AvailabilityError when the database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self) -> int:
        """The number now."""
        with self._database.read() as connection:
            return int(connection.execute(select(response_cache_counter.c.flushes)).scalar_one())

    def record(self) -> int:
        """Raises the number; what it is then."""
        flushes = response_cache_counter.c.flushes
        with self._database.write() as connection:
            statement = update(response_cache_counter).values(flushes=flushes + 1).returning(flushes)
            return int(connection.execute(statement).scalar_one())
