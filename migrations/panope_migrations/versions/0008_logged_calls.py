"""What the log of calls tells beside sizes and times: who called, by what, in which session, and what went wrong."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TEXTS = ("interface", "session", "error_message", "prompt")


def upgrade() -> None:
    op.add_column("inference_log", sa.Column("principal", NAME, nullable=True))
    for name in TEXTS:
        op.add_column("inference_log", sa.Column(name, sa.Text(), nullable=True))


def downgrade() -> None:
    for name in (*reversed(TEXTS), "principal"):
        op.drop_column("inference_log", name)
