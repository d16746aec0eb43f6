"""The tables of what callers have used, by the hour, and of who has written it.

None refers to models or keys by key: what was used outlives them.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, Table, Text

from panope_registry.tables.columns import Name, UtcDateTime
from panope_registry.tables.model_tables import metadata

#: What one caller has used of one model and task within one hour, by all servers together.
usage = Table(
    "usage",
    metadata,
    Column("hour", UtcDateTime, nullable=False, doc="its beginning, in UTC"),
    Column("principal", Name, nullable=False, doc="'' for callers that nobody knows"),
    Column("model", Name, nullable=False),
    Column("task", Name, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("failed_requests", BigInteger, nullable=False, doc="of `requests`, refused ones and cancelled ones too"),
    Column("input_tokens", BigInteger, nullable=False, doc="cached ones included"),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("input_bytes", BigInteger, nullable=False),
    Column("output_bytes", BigInteger, nullable=False),
    Column("device_microseconds", BigInteger, nullable=False),
    PrimaryKeyConstraint("hour", "principal", "model", "task"),
    Index("ix_usage_principal_hour", "principal", "hour"),
)

#: How far each server's writes have come, so that a batch whose fate is unknown can be written again.
usage_writer = Table(
    "usage_writer",
    metadata,
    Column("id", Text, primary_key=True, doc="chosen by a server at each start"),
    Column("sequence", BigInteger, nullable=False, doc="the number of the last batch that was written"),
    Column("written_at", UtcDateTime, nullable=False),
)
