"""The tables of aliases: where each points, and everywhere it pointed before."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from panope_registry.tables.columns import Identifier, Json, Name, UtcDateTime
from panope_registry.tables.model_tables import metadata

#: One row for each change of an alias, kept after the alias is gone.
alias_event = Table(
    "alias_event",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("alias", Name, nullable=False),
    Column("version", BigInteger, nullable=False, doc="counts the changes of this name from 1"),
    Column("action", Text, nullable=False),
    # Names, not keys: the history outlives models, and an alias waits for a model that is removed and comes again.
    Column("target_model", Name, nullable=False, doc="'' of a removal"),
    Column("variant_digest", Text, nullable=False, doc="'' lets the server choose"),
    Column("before_id", ForeignKey("alias_event.id"), doc="the event that a rollback of this one goes back to"),
    Column("principal", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("policy", Json, doc="how calls are split among several targets; null for one target"),
    UniqueConstraint("alias", "version"),
    CheckConstraint("action IN ('set', 'rolled_back', 'deleted')", name="action"),
)

#: The targets of an event that points to several, the one in `alias_event` among them.
alias_target = Table(
    "alias_target",
    metadata,
    Column("event_id", ForeignKey("alias_event.id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("model", Name, nullable=False, index=True),
    Column("variant_digest", Text, nullable=False, doc="'' lets the server choose"),
    Column("weight", Double, nullable=False, doc="0 where a bandit chooses"),
    Column("price", Double, nullable=False, doc="of a second of its device"),
)

alias = Table(
    "alias",
    metadata,
    Column("name", Name, primary_key=True),
    Column("event_id", ForeignKey("alias_event.id"), nullable=False, doc="that made it point where it does"),
)
