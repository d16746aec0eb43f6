"""The tables of what servers do: their instances, what was measured, and samples of their calls.

None refers to models or variants by key: what is told here outlives them, and a call must never wait for their rows.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from panope_registry.tables.columns import Identifier, Json, Name, UtcDateTime
from panope_registry.tables.model_tables import metadata

#: A worker process of some server; gone when its lease is over.
runtime_instance = Table(
    "runtime_instance",
    metadata,
    Column("id", Text, primary_key=True, doc="chosen by the server, unique over all of them"),
    Column("server", Text, nullable=False, index=True, doc="the server's id"),
    Column("model", Name, nullable=False),
    Column("variant_digest", Text, nullable=False),
    Column("backend", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("heartbeat_at", UtcDateTime, nullable=False),
    Column("lease_until", UtcDateTime, nullable=False, index=True),
    CheckConstraint("state IN ('starting', 'ready', 'unresponsive', 'backing_off', 'draining')", name="state"),
)

#: What a variant was measured to do on a backend and a device; the newest measurement replaces the one before.
backend_profile = Table(
    "backend_profile",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("variant_digest", Text, nullable=False),
    Column("backend", Text, nullable=False),
    Column("engine_version", Text, nullable=False),
    Column("device", Text, nullable=False, doc="the device's full name, the same on like machines"),
    Column("precision", Text, nullable=False, doc="that was computed in"),
    Column("workload", Text, nullable=False, doc="what was run, such as `embed-22-words-batch-32`"),
    Column("items_per_second", Double, nullable=False),
    Column("latency_p50_seconds", Double, nullable=False),
    Column("latency_p99_seconds", Double, nullable=False),
    Column("memory_bytes", BigInteger, nullable=False, doc="the most that was in use; 0 when unknown"),
    Column("load_seconds", Double, nullable=False),
    Column("details", Json, nullable=False),
    Column("measured_at", UtcDateTime, nullable=False),
    UniqueConstraint(
        "variant_digest",
        "backend",
        "engine_version",
        "device",
        "precision",
        "workload",
        name="uq_backend_profile_measured",  # the full name is longer than PostgreSQL's 63 bytes
    ),
)

#: A sample of calls, with prompts only where the settings say so. What is null nobody told, or an older Panope wrote.
inference_log = Table(
    "inference_log",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("created_at", UtcDateTime, nullable=False, index=True),
    Column("request_id", Text, nullable=False),
    Column("model", Name, nullable=False),
    Column("variant_digest", Text, nullable=False),
    Column("instance", Text, nullable=False, doc="'' when none was reached"),
    Column("task", Text, nullable=False),
    Column("outcome", Text, nullable=False, doc="`ok`, or the reason of the error"),
    Column("duration_seconds", Double, nullable=False),
    Column("input_units", BigInteger, nullable=False, doc="tokens of text, bytes of others"),
    Column("output_units", BigInteger, nullable=False),
    Column("principal", Name, doc="the caller's name, '' for one that nobody knows"),
    Column("interface", Text, doc="the method that was called"),
    Column("session", Text, doc="of the caller's own, by its header `x-session-id`"),
    Column("error_message", Text, doc="the sentence that the caller was told"),
    Column("prompt", Text, doc="the beginning and the end of the input's texts"),
    Column("route", Text, doc="why an alias with several targets gave the call to this model"),
    Index("ix_inference_log_model_created_at", "model", "created_at"),
)

#: What calls of an alias with several targets were observed to take, by target; written in batches, by every server.
route_statistics = Table(
    "route_statistics",
    metadata,
    Column("alias", Name, nullable=False),
    Column("version", BigInteger, nullable=False, doc="of the alias: another route begins with nothing"),
    Column("target", Name, nullable=False, doc="`vendor/name`, or `vendor/name@digest`"),
    Column("metric", Text, nullable=False, doc="`latency`, `cost`, `reward` or `failure`"),
    Column("calls", BigInteger, nullable=False, doc="all that were observed"),
    Column("observations", Double, nullable=False, doc="what is left of them by their age, as all below"),
    Column("total", Double, nullable=False),
    Column("squares", Double, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("alias", "version", "target", "metric"),
)

#: Counts the flushes of kept answers, for servers that hold some. It has one row.
response_cache_counter = Table(
    "response_cache_counter",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("flushes", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)
