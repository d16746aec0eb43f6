"""A job keeps its dedupe key as long as it has files, so that one request makes one job however fast that ends."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


_KEPT = "dedupe_key <> '' AND (status IN ('waiting', 'queued', 'running') OR folder IS NOT NULL)"

_job = sa.table("job", sa.column("id", sa.Integer), sa.column("dedupe_key", sa.Text))


def upgrade() -> None:
    op.drop_index("uq_job_dedupe_key_open", "job")
    # One request could make several jobs before; the newest was the answer to the next, and keeps the key.
    kept = sa.text(_KEPT)
    newest = sa.select(sa.func.max(_job.c.id)).where(kept).group_by(_job.c.dedupe_key)
    op.execute(sa.update(_job).where(kept, _job.c.id.not_in(newest)).values(dedupe_key=""))
    _create_index("uq_job_dedupe_key_kept", _KEPT)


def downgrade() -> None:
    op.drop_index("uq_job_dedupe_key_kept", "job")
    _create_index("uq_job_dedupe_key_open", "dedupe_key <> '' AND status IN ('waiting', 'queued', 'running')")


def _create_index(name: str, where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, "job", ["dedupe_key"], unique=True, sqlite_where=condition, postgresql_where=condition)
