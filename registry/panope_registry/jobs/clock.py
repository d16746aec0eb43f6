"""The one clock by which leases of several machines are compared."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, func, select

from panope_registry.tables.columns import UtcDateTime, now

Clock = Callable[[Connection], datetime]
"""Returns this moment, by the database if it has a clock of its own."""


def database_clock(connection: Connection) -> datetime:
    """Returns the server's time on PostgreSQL; this machine's on SQLite, whose file no other machine may open."""
    if connection.dialect.name != "postgresql":
        return now()
    return connection.execute(select(func.clock_timestamp(type_=UtcDateTime))).scalar_one()
