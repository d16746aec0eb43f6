"""Instances that do not respond may be recorded as such."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.DateTime(timezone=True)
CHECK = "ck_runtime_instance_state"


def upgrade() -> None:
    _set_check("state IN ('starting', 'ready', 'unresponsive', 'backing_off', 'draining')")


def downgrade() -> None:
    _set_check("state IN ('starting', 'ready', 'backing_off', 'draining')")


def _set_check(check: str) -> None:
    """Servers write their rows again every few seconds, so those that there are need not be kept."""
    op.execute("DELETE FROM runtime_instance")
    if op.get_bind().dialect.name == "sqlite":
        _make_anew(check)
        return
    op.drop_constraint(op.f(CHECK), "runtime_instance", type_="check")
    op.create_check_constraint(op.f(CHECK), "runtime_instance", check)


def _make_anew(check: str) -> None:
    """SQLite cannot change the check of a table."""
    op.drop_table("runtime_instance")
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
        sa.CheckConstraint(check, name=op.f(CHECK)),
    )
    for column in ("server", "lease_until"):
        op.create_index(f"ix_runtime_instance_{column}", "runtime_instance", [column])
