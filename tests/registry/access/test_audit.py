"""The audit log keeps what happened and changes nothing of it; on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from panope_registry.access.audit import AuditEvent
from panope_registry.session import RegistrySession
from panope_registry.tables.columns import now


def event(**more: object) -> AuditEvent:
    given: dict[str, object] = {"created_at": now(), "principal": "ada", "action": "models.delete", "target": "a/b"}
    return AuditEvent(**(given | more))  # type: ignore[arg-type]  # fields by their names


def test_events_are_told_the_newest_first_and_by_what_is_asked_for(session: RegistrySession) -> None:
    log = session.audit
    log.record(event(), event(action="keys.create", target="ci"), event(principal="bob"))
    assert [found.principal for found in log.list()] == ["bob", "ada", "ada"]
    assert [found.action for found in log.list(principal="ada")] == ["keys.create", "models.delete"]
    assert [found.target for found in log.list(action="keys.")] == ["ci"]
    assert log.list(action="keys.revoke") == []
    newest = log.list(limit=1)[0]
    assert [found.principal for found in log.list(before=newest.id)] == ["ada", "ada"]
    assert log.list(since=now() + timedelta(seconds=1)) == []


def test_an_event_is_never_changed(session: RegistrySession) -> None:
    session.audit.record(event())
    with pytest.raises(DBAPIError, match="never changed"), session.database.write() as connection:
        connection.execute(text("UPDATE audit_event SET principal = 'nobody'"))
    assert session.audit.list()[0].principal == "ada"


def test_a_callers_words_do_not_keep_an_event_from_being_recorded(session: RegistrySession) -> None:
    session.audit.record(event(target="a\0b\n" + "x" * 1000))
    assert session.audit.list()[0].target.startswith("a\\x00b\\x0axxx")


def test_old_events_are_removed_by_their_age_alone(session: RegistrySession) -> None:
    session.audit.record(event(created_at=now() - timedelta(days=2)), event())
    assert session.audit.prune(now() - timedelta(days=1)) == 1
    assert len(session.audit.list()) == 1
