"""The audit log: what was done, by whom, and how it ended; never what was asked of models."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select

from panope_backends.errors import PanopeError
from panope_registry.names import MAX_WORD_LENGTH, checked_limit, shown
from panope_registry.tables.access_tables import audit_event
from panope_registry.tables.columns import now
from panope_registry.tables.database import Database


@dataclass(frozen=True, kw_only=True)
class AuditEvent:
    """Something that was done, or was refused.

    Attributes:
        created_at: when.
        principal: the key's name, the user of a command, or the interface of an anonymous caller.
        key_id: of the key; empty without one.
        action: such as `keys.create` or `models.delete`.
        target: what it was done to, such as a model's name; empty for none.
        outcome: `ok`, or the reason of the error.
        request_id: empty for commands.
        peer: the caller's address; empty for commands.
        id: 0 before it is recorded.
    """

    created_at: datetime
    principal: str
    action: str
    key_id: str = ""
    target: str = ""
    outcome: str = "ok"
    request_id: str = ""
    peer: str = ""
    id: int = 0


_FIELDS = ("created_at", "principal", "action", "key_id", "target", "outcome", "request_id", "peer")


class AuditLog:
    """Safe for use by several threads, processes and machines; AvailabilityError when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, *events: AuditEvent) -> None:
        """Adds events."""
        rows = [{name: getattr(event, name) for name in _FIELDS} for event in events]
        for row in rows:  # a caller's words may be in it, and must not keep it from being recorded
            row |= {name: shown(row[name], MAX_WORD_LENGTH) for name in _FIELDS if isinstance(row[name], str)}
        with self._database.write() as connection:
            connection.execute(insert(audit_event), rows)

    @contextmanager
    def recording(self, principal: str, action: str, target: str = "") -> Iterator[None]:
        """Adds what a command does in the block, without a server, with how it ends."""
        outcome = "ok"
        try:
            yield
        except BaseException as error:
            outcome = error.reason if isinstance(error, PanopeError) else "interrupted"
            with suppress(PanopeError):  # the command's own error is told
                self._record_command(principal, action, target, outcome)
            raise
        self._record_command(principal, action, target, outcome)

    def _record_command(self, principal: str, action: str, target: str, outcome: str) -> None:
        self.record(AuditEvent(created_at=now(), principal=principal, action=action, target=target, outcome=outcome))

    def list(
        self, *, principal: str = "", action: str = "", since: datetime | None = None, before: int = 0, limit: int = 100
    ) -> builtins.list[AuditEvent]:
        """Returns events, the newest first.

        Args:
            principal: only its own; empty for all.
            action: only such, or such as begin with `models.`; empty for all.
            since: only those at or after this moment.
            before: only those before the event of this id; 0 for the newest too.
            limit: so many at most.
        """
        wanted = select(audit_event).order_by(audit_event.c.id.desc()).limit(checked_limit(limit))
        if principal:
            wanted = wanted.where(audit_event.c.principal == principal)
        if action.endswith("."):
            wanted = wanted.where(audit_event.c.action.startswith(action, autoescape=True))
        elif action:
            wanted = wanted.where(audit_event.c.action == action)
        if since is not None:
            wanted = wanted.where(audit_event.c.created_at >= since)
        if before:
            wanted = wanted.where(audit_event.c.id < before)
        with self._database.read() as connection:
            return [_event(row) for row in connection.execute(wanted)]

    def prune(self, older_than: datetime) -> int:
        """Removes events from before a moment; returns how many."""
        old = select(audit_event.c.id).where(audit_event.c.created_at < older_than).with_for_update(skip_locked=True)
        with self._database.write() as connection:
            return connection.execute(delete(audit_event).where(audit_event.c.id.in_(old))).rowcount


def _event(row: Row[Any]) -> AuditEvent:
    return AuditEvent(id=row.id, **{name: getattr(row, name) for name in _FIELDS})
