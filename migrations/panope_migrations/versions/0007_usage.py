"""What callers have used, by the hour."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.DateTime(timezone=True)
COUNTS = (
    "requests",
    "failed_requests",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "input_bytes",
    "output_bytes",
    "device_microseconds",
)


def upgrade() -> None:
    op.create_table(
        "usage",
        sa.Column("hour", MOMENT, nullable=False),
        sa.Column("principal", NAME, nullable=False),
        sa.Column("model", NAME, nullable=False),
        sa.Column("task", NAME, nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in COUNTS),
        sa.PrimaryKeyConstraint("hour", "principal", "model", "task", name="pk_usage"),
    )
    op.create_index("ix_usage_principal_hour", "usage", ["principal", "hour"])
    op.create_table(
        "usage_writer",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("written_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_usage_writer"),
    )


def downgrade() -> None:
    op.drop_table("usage_writer")
    op.drop_index("ix_usage_principal_hour", "usage")
    op.drop_table("usage")
