"""The tables of jobs: what is to be done, who does it now, and what waits for what."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    text,
)

from panope_registry.tables.columns import Identifier, Json, JsonList, UtcDateTime
from panope_registry.tables.model_tables import metadata

KEEPS_ITS_KEY = text("dedupe_key <> '' AND (status IN ('waiting', 'queued', 'running') OR folder IS NOT NULL)")
_IS_QUEUED = text("status = 'queued'")
_IS_RUNNING = text("status = 'running'")
_HAS_FOLDER = text("folder IS NOT NULL")

job = Table(
    "job",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("kind", Text, nullable=False, doc="names the handler, such as `artifact_download`"),
    Column("status", Text, nullable=False),
    Column("priority", Integer, nullable=False, doc="higher goes first"),
    Column("payload", Json, nullable=False, doc="what the handler is to do"),
    Column("result", Json, nullable=False, doc="what the handler returned; {} until it did"),
    Column("dedupe_key", Text, nullable=False, doc="names the work; '' for work that may be done twice"),
    Column("parent_id", ForeignKey("job.id", ondelete="SET NULL"), index=True, doc="the job that asked for this one"),
    Column("requested_by", Text, nullable=False, doc="'' when unknown"),
    Column("store", Text, doc="the id of the store that its bytes are for, whose runners alone take it; null for all"),
    Column("owner", Text, doc="the caller that alone may know of it, beside administrators; null for jobs of all"),
    Column("folder", Text, doc="of its files, within those of its store; null without any"),
    Column("file_bytes", BigInteger, nullable=False, server_default="0", doc="what its files take"),
    Column("files_until", UtcDateTime, doc="when its files go; null without any that it has made"),
    Column("progress_phase", Text, nullable=False),
    Column("progress_done", BigInteger, nullable=False),
    Column("progress_total", BigInteger, nullable=False, doc="0 when unknown"),
    Column("progress_unit", Text, nullable=False),
    Column(
        "progress_parts", JsonList, doc="what is at hand together, each a `name`, `done` and `total`; null for none"
    ),
    Column("attempt", Integer, nullable=False, doc="how often it was started and not given back"),
    Column("max_attempts", Integer, nullable=False),
    Column("run_at", UtcDateTime, nullable=False, doc="not before this moment"),
    # Who runs it. Every write of a runner carries its token, so a runner that was given up can change nothing.
    Column("lease_owner", Text, nullable=False, doc="'' unless running"),
    Column("lease_token", BigInteger, nullable=False, doc="raised by every claim"),
    Column("lease_until", UtcDateTime, doc="null unless running"),
    Column("cancel_requested_at", UtcDateTime),
    Column("error_reason", Text, nullable=False, doc="of the last attempt that failed"),
    Column("error_message", Text, nullable=False),
    Column("retryable", Boolean, nullable=False, doc="whether that error may go away with time"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime, doc="of the last attempt"),
    Column("finished_at", UtcDateTime),
    CheckConstraint(
        "status IN ('waiting', 'queued', 'running', 'succeeded', 'failed', 'cancelled')",
        name="status",
    ),
    CheckConstraint("(status = 'running') = (lease_until IS NOT NULL)", name="lease"),
    Index(
        "uq_job_dedupe_key_kept",
        "dedupe_key",
        unique=True,
        sqlite_where=KEEPS_ITS_KEY,
        postgresql_where=KEEPS_ITS_KEY,
    ),
    Index("ix_job_folder", "folder", sqlite_where=_HAS_FOLDER, postgresql_where=_HAS_FOLDER),
    Index("ix_job_running", "lease_until", sqlite_where=_IS_RUNNING, postgresql_where=_IS_RUNNING),
)

# In the order in which they are taken.
Index(
    "ix_job_queued",
    job.c.priority.desc(),
    job.c.id,
    sqlite_where=_IS_QUEUED,
    postgresql_where=_IS_QUEUED,
)

#: A job waits until all that it needs have succeeded.
job_dependency = Table(
    "job_dependency",
    metadata,
    Column("job_id", ForeignKey("job.id", ondelete="CASCADE"), primary_key=True),
    Column("depends_on_id", ForeignKey("job.id", ondelete="CASCADE"), primary_key=True, index=True),
)
