"""The worker processes of all servers that share this database: rows that live as long as their servers say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, insert, select

from panope_registry.tables.columns import now
from panope_registry.tables.database import Database
from panope_registry.tables.serving_tables import runtime_instance


@dataclass(frozen=True)
class InstanceRecord:
    """A worker process of some server.

    Attributes:
        id: unique over all servers.
        server: the server's id.
        model: what it serves, as the server names it.
        variant_digest: what it runs.
        host: the machine's name.
        pid: there; 0 when there is no process at the moment.
        state: `starting`, `ready`, `unresponsive`, `backing_off` or `draining`.
        heartbeat_at: when its server last told of it.
    """

    id: str
    server: str
    model: str
    variant_digest: str
    backend: str
    device: str
    host: str
    pid: int
    state: str
    started_at: datetime
    heartbeat_at: datetime


_FIELDS = tuple(InstanceRecord.__dataclass_fields__)


class Instances:
    """Safe for use by several threads, processes and machines.

    Every method raises AvailabilityError when the database does not answer. The clocks of servers that share a database
    must agree to within a lease.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def report(self, server: str, records: Sequence[InstanceRecord], lease_seconds: float) -> None:
        """Says what a server runs now, for so many seconds; removes what it told before and runs no more.

        Also removes the rows of servers that have not told for longer than they said they would.
        """
        moment = now()
        until = moment + timedelta(seconds=lease_seconds)
        with self._database.write() as connection:
            connection.execute(delete(runtime_instance).where(runtime_instance.c.server == server))
            # Those that another server removes right now are left to it: the two could wait for each other.
            over = select(runtime_instance.c.id).where(runtime_instance.c.lease_until <= moment)
            over = over.with_for_update(skip_locked=True)
            connection.execute(delete(runtime_instance).where(runtime_instance.c.id.in_(over)))
            if records:
                connection.execute(insert(runtime_instance), [_values(record, until) for record in records])

    def list(self) -> list[InstanceRecord]:
        """Returns all instances whose servers have told of them lately, by server and id."""
        known = (
            select(runtime_instance)
            .where(runtime_instance.c.lease_until > now())
            .order_by(runtime_instance.c.server, runtime_instance.c.id)
        )
        with self._database.read() as connection:
            return [_record(row) for row in connection.execute(known)]


def _values(record: InstanceRecord, until: datetime) -> dict[str, Any]:
    return {name: getattr(record, name) for name in _FIELDS} | {"lease_until": until}


def _record(row: Row[Any]) -> InstanceRecord:
    return InstanceRecord(**{name: getattr(row, name) for name in _FIELDS})
