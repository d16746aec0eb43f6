"""Jobs, aliases, what must stay in a store, and what servers tell of themselves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _create_jobs()
    _create_aliases()
    _create_lifetimes()
    _create_operations()


def downgrade() -> None:
    for table in (
        "inference_log",
        "backend_profile",
        "runtime_instance",
        "blob_use",
        "pin",
        "lease",
        "alias",
        "alias_event",
        "job_need",
        "job",
    ):
        op.drop_table(table)


def _create_jobs() -> None:
    op.create_table(
        "job",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("parent_id", IDENTIFIER, nullable=True),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("progress_phase", sa.Text(), nullable=False),
        sa.Column("progress_done", sa.BigInteger(), nullable=False),
        sa.Column("progress_total", sa.BigInteger(), nullable=False),
        sa.Column("progress_unit", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("run_at", MOMENT, nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=False),
        sa.Column("lease_token", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("cancel_requested_at", MOMENT, nullable=True),
        sa.Column("error_reason", sa.Text(), nullable=False),
        sa.Column("error_message", sa.Text(), nullable=False),
        sa.Column("retryable", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
        sa.ForeignKeyConstraint(["parent_id"], ["job.id"], name="fk_job_parent_id_job", ondelete="SET NULL"),
        sa.CheckConstraint(
            "status IN ('waiting', 'queued', 'running', 'succeeded', 'failed', 'cancelled')",
            name=op.f("ck_job_status"),
        ),
        sa.CheckConstraint("(status = 'running') = (lease_until IS NOT NULL)", name=op.f("ck_job_lease")),
    )
    op.create_index("ix_job_parent_id", "job", ["parent_id"])
    _create_partial_index(
        "uq_job_dedupe_key_open",
        ["dedupe_key"],
        "dedupe_key <> '' AND status IN ('waiting', 'queued', 'running')",
        unique=True,
    )
    _create_partial_index("ix_job_queued", ["priority", "id"], "status = 'queued'")
    _create_partial_index("ix_job_running", ["lease_until"], "status = 'running'")
    op.create_table(
        "job_need",
        sa.Column("job_id", IDENTIFIER, nullable=False),
        sa.Column("needed_id", IDENTIFIER, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "needed_id", name="pk_job_need"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_job_need_job_id_job", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["needed_id"], ["job.id"], name="fk_job_need_needed_id_job", ondelete="CASCADE"),
    )
    op.create_index("ix_job_need_needed_id", "job_need", ["needed_id"])


def _create_partial_index(name: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, "job", columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


def _create_aliases() -> None:
    op.create_table(
        "alias_event",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("alias", NAME, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target_model", NAME, nullable=False),
        sa.Column("variant_digest", sa.Text(), nullable=False),
        sa.Column("before_id", IDENTIFIER, nullable=True),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alias_event"),
        sa.UniqueConstraint("alias", "version", name="uq_alias_event_alias_version"),
        sa.ForeignKeyConstraint(["before_id"], ["alias_event.id"], name="fk_alias_event_before_id_alias_event"),
        sa.CheckConstraint("action IN ('set', 'rolled_back', 'removed')", name=op.f("ck_alias_event_action")),
    )
    op.create_table(
        "alias",
        sa.Column("name", NAME, nullable=False),
        sa.Column("event_id", IDENTIFIER, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_alias"),
        sa.ForeignKeyConstraint(["event_id"], ["alias_event.id"], name="fk_alias_event_id_alias_event"),
    )


def _create_lifetimes() -> None:
    op.create_table(
        "lease",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("variant_id", IDENTIFIER, nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("lease_until", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_lease"),
        sa.ForeignKeyConstraint(["variant_id"], ["variant.id"], name="fk_lease_variant_id_variant", ondelete="CASCADE"),
    )
    for column in ("variant_id", "lease_until"):
        op.create_index(f"ix_lease_{column}", "lease", [column])
    op.create_table(
        "pin",
        sa.Column("variant_id", IDENTIFIER, nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("variant_id", name="pk_pin"),
        sa.ForeignKeyConstraint(["variant_id"], ["variant.id"], name="fk_pin_variant_id_variant", ondelete="CASCADE"),
    )
    op.create_table(
        "blob_use",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("last_used_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("sha256", "store", name="pk_blob_use"),
        sa.ForeignKeyConstraint(["sha256"], ["blob.sha256"], name="fk_blob_use_sha256_blob", ondelete="CASCADE"),
    )


def _create_operations() -> None:
    op.create_table(
        "runtime_instance",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("model", NAME, nullable=False),
        sa.Column("variant_digest", sa.Text(), nullable=False),
        sa.Column("backend", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("heartbeat_at", MOMENT, nullable=False),
        sa.Column("lease_until", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_runtime_instance"),
        sa.CheckConstraint(
            "state IN ('starting', 'ready', 'backing_off', 'draining')", name=op.f("ck_runtime_instance_state")
        ),
    )
    for column in ("server", "lease_until"):
        op.create_index(f"ix_runtime_instance_{column}", "runtime_instance", [column])
    op.create_table(
        "backend_profile",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("variant_digest", sa.Text(), nullable=False),
        sa.Column("backend", sa.Text(), nullable=False),
        sa.Column("engine_version", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("workload", sa.Text(), nullable=False),
        sa.Column("items_per_second", sa.Double(), nullable=False),
        sa.Column("latency_p50_seconds", sa.Double(), nullable=False),
        sa.Column("latency_p99_seconds", sa.Double(), nullable=False),
        sa.Column("memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("load_seconds", sa.Double(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("measured_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_backend_profile"),
        sa.UniqueConstraint(
            "variant_digest",
            "backend",
            "engine_version",
            "device",
            "workload",
            name="uq_backend_profile_measured",
        ),
    )
    op.create_table(
        "inference_log",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("model", NAME, nullable=False),
        sa.Column("variant_digest", sa.Text(), nullable=False),
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("duration_seconds", sa.Double(), nullable=False),
        sa.Column("input_units", sa.BigInteger(), nullable=False),
        sa.Column("output_units", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_inference_log"),
    )
    op.create_index("ix_inference_log_at", "inference_log", ["at"])
    op.create_index("ix_inference_log_model_at", "inference_log", ["model", "at"])
