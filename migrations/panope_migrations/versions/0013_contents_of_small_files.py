"""What a small file holds that was made here: servers that share a database have it, whatever their stores hold."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("blob", sa.Column("content", sa.LargeBinary()))


def downgrade() -> None:
    with op.batch_alter_table("blob") as batch:
        batch.drop_column("content")
