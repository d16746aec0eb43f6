"""Preferences of models at registration; stores of jobs, and how far each file is; precisions of measurements."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

#: All may be null, so that no table is made anew on SQLite.
COLUMNS = {
    "model": ("preferred_precision", "quantization_targets", "task_hints", "task_candidates"),
    "job": ("store", "progress_parts"),
}

MEASURED = ("variant_digest", "backend", "engine_version", "device", "workload")


def upgrade() -> None:
    for table, names in COLUMNS.items():
        for name in names:
            op.add_column(table, sa.Column(name, sa.Text(), nullable=True))
    op.execute("DELETE FROM backend_profile")  # nothing has written to it yet
    with op.batch_alter_table("backend_profile") as batch:
        batch.add_column(sa.Column("precision", sa.Text(), nullable=False))
        batch.drop_constraint("uq_backend_profile_measured", type_="unique")
        batch.create_unique_constraint("uq_backend_profile_measured", [*MEASURED, "precision"])
    _index_queued_jobs("priority DESC", "id")


def downgrade() -> None:
    _index_queued_jobs("priority", "id")
    op.execute("DELETE FROM backend_profile")  # two precisions of one workload would be one
    with op.batch_alter_table("backend_profile") as batch:
        batch.drop_constraint("uq_backend_profile_measured", type_="unique")
        batch.drop_column("precision")
        batch.create_unique_constraint("uq_backend_profile_measured", list(MEASURED))
    for table, names in COLUMNS.items():
        for name in names:
            op.drop_column(table, name)


def _index_queued_jobs(*columns: str) -> None:
    """In the order in which they are taken, so that the first is found without sorting all."""
    op.drop_index("ix_job_queued", "job")
    where = sa.text("status = 'queued'")
    in_order = [sa.text(column) for column in columns]
    op.create_index("ix_job_queued", "job", in_order, sqlite_where=where, postgresql_where=where)
