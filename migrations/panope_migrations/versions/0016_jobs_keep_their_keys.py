"""A job keeps its dedupe key as long as it has files, so that one request makes one job however fast that ends."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.drop_index("uq_job_dedupe_key_open", "job")
    _create_index(
        "uq_job_dedupe_key_kept",
        "dedupe_key <> '' AND (status IN ('waiting', 'queued', 'running') OR folder IS NOT NULL)",
    )


def downgrade() -> None:
    op.drop_index("uq_job_dedupe_key_kept", "job")
    _create_index("uq_job_dedupe_key_open", "dedupe_key <> '' AND status IN ('waiting', 'queued', 'running')")


def _create_index(name: str, where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, "job", ["dedupe_key"], unique=True, sqlite_where=condition, postgresql_where=condition)
