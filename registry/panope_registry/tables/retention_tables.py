"""The tables that say what must stay in a store: what is in use, what is kept on purpose, what was used when."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Table, Text

from panope_registry.tables.columns import Identifier, UtcDateTime
from panope_registry.tables.model_tables import metadata

#: Somebody uses a variant's files; until then they stay.
lease = Table(
    "lease",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("variant_id", ForeignKey("variant.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("owner", Text, nullable=False, doc="who uses it, such as a server's id"),
    Column("lease_until", UtcDateTime, nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
)

#: Somebody wants a variant's files to stay whether they are used or not.
pin = Table(
    "pin",
    metadata,
    Column("variant_id", ForeignKey("variant.id", ondelete="CASCADE"), primary_key=True),
    Column("principal", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

#: When a blob in a store was last used. Apart from its location, which changes seldom and is read much.
blob_use = Table(
    "blob_use",
    metadata,
    Column("sha256", ForeignKey("blob.sha256", ondelete="CASCADE"), primary_key=True),
    Column("store", Text, primary_key=True, doc="the store's id"),
    Column("last_used_at", UtcDateTime, nullable=False),
)
