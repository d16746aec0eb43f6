"""Jobs may belong to a caller, and have files that are kept for a while."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

_HAS_FOLDER = sa.text("folder IS NOT NULL")


def upgrade() -> None:
    op.add_column("job", sa.Column("owner", sa.Text(), nullable=True))
    op.add_column("job", sa.Column("folder", sa.Text(), nullable=True))
    op.add_column("job", sa.Column("file_bytes", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("job", sa.Column("files_until", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_job_folder", "job", ["folder"], sqlite_where=_HAS_FOLDER, postgresql_where=_HAS_FOLDER)


def downgrade() -> None:
    op.drop_index("ix_job_folder", "job")
    op.drop_column("job", "files_until")
    op.drop_column("job", "file_bytes")
    op.drop_column("job", "folder")
    op.drop_column("job", "owner")
