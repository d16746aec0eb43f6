"""The tables of who may do what: API keys and their secrets, what was asked for of limits, and the audit log."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Double, ForeignKey, Index, Integer, Table, Text

from panope_registry.tables.columns import Identifier, JsonList, Name, UtcDateTime
from panope_registry.tables.model_tables import metadata

#: Counts the changes of keys and of models' limits, for servers that hold copies of them. It has one row.
access_counter = Table(
    "access_counter",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("value", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

api_key = Table(
    "api_key",
    metadata,
    Column("id", Text, primary_key=True, doc="the public part of the key itself"),
    Column("name", Name, nullable=False, unique=True),
    Column("scopes", JsonList, nullable=False),
    Column("models", JsonList, nullable=False, doc="patterns of the names that it sees"),
    Column("max_priority", Text, nullable=False),
    Column("limits", JsonList, nullable=False, doc="such as `requests 100/second`"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", UtcDateTime, doc="null for never"),
    Column("revoked_at", UtcDateTime, doc="null while it is good"),
    Column("last_used_at", UtcDateTime, doc="to the minute"),
    CheckConstraint("max_priority IN ('low', 'normal', 'high')", name="max_priority"),
)

#: A key has one secret, and after a rotation two for a while.
api_key_secret = Table(
    "api_key_secret",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("key_id", ForeignKey("api_key.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("digest", Text, nullable=False, doc="HMAC-SHA256 of the secret, 64 hexadecimal digits"),
    Column("pepper_id", Text, nullable=False, doc="names the pepper that is the HMAC's key"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, doc="when a later secret takes its place; null for the newest"),
)

#: The limits of all callers of a model together.
model_limit = Table(
    "model_limit",
    metadata,
    Column("model", Name, primary_key=True),
    Column("limits", JsonList, nullable=False, doc="as a key's"),
    Column("created_at", UtcDateTime, nullable=False),
)

#: How much of a limit was handed out to servers. Of a rate `used` sinks with time; of a quota it begins anew.
limit_budget = Table(
    "limit_budget",
    metadata,
    Column("subject", Name, primary_key=True, doc="`key:ID` or `model:NAME`"),
    Column("counted", Text, primary_key=True, doc="`requests` or `tokens`"),
    Column("period", Text, primary_key=True),
    Column("used", Double, nullable=False),
    Column("updated_at", Double, nullable=False, doc="seconds since 1970"),
    Column("granted", Double, nullable=False, doc="to whoever asked last"),
)

#: What was done and by whom; rows are only added, which triggers see to, and removed when they are old.
audit_event = Table(
    "audit_event",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("created_at", UtcDateTime, nullable=False, index=True),
    Column("principal", Text, nullable=False, doc="the key's name, the user of a command, or the interface"),
    Column("key_id", Text, nullable=False, doc="'' without a key"),
    Column("action", Text, nullable=False, doc="such as `keys.create` or `models.delete`"),
    Column("target", Text, nullable=False, doc="what was acted on, such as a model's name; '' for none"),
    Column("outcome", Text, nullable=False, doc="`ok`, or the reason of the error"),
    Column("request_id", Text, nullable=False, doc="'' for commands"),
    Column("peer", Text, nullable=False, doc="the caller's address; '' for commands"),
    Index("ix_audit_event_principal_created_at", "principal", "created_at"),
)
