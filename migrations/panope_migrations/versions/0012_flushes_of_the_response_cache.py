"""Servers that share a database forget kept answers together."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    counter = op.create_table(
        "response_cache_counter",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("flushes", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_response_cache_counter_one_row")),
        sa.PrimaryKeyConstraint("id", name="pk_response_cache_counter"),
    )
    op.bulk_insert(counter, [{"id": 1, "flushes": 0}])


def downgrade() -> None:
    op.drop_table("response_cache_counter")
