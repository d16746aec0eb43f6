"""Models may say how long they stay loaded when nobody uses them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("model", sa.Column("keep_alive_seconds", sa.Double(), nullable=True))


def downgrade() -> None:
    op.drop_column("model", "keep_alive_seconds")
