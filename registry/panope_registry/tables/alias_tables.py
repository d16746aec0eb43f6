"""The tables of aliases: where each points, and everywhere it pointed before."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Table, Text, UniqueConstraint

from panope_registry.tables.columns import Identifier, Name, UtcDateTime
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
    UniqueConstraint("alias", "version"),
    CheckConstraint("action IN ('set', 'rolled_back', 'deleted')", name="action"),
)

alias = Table(
    "alias",
    metadata,
    Column("name", Name, primary_key=True),
    Column("event_id", ForeignKey("alias_event.id"), nullable=False, doc="that made it point where it does"),
)
