"""What is wished for a model at registration; which store a job's bytes are for, and how far each file is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

#: All may be null, so that no table is made anew on SQLite.
COLUMNS = {
    "model": ("preferred_precision", "quantization_targets"),
    "job": ("store", "progress_parts"),
}


def upgrade() -> None:
    for table, names in COLUMNS.items():
        for name in names:
            op.add_column(table, sa.Column(name, sa.Text(), nullable=True))


def downgrade() -> None:
    for table, names in COLUMNS.items():
        for name in names:
            op.drop_column(table, name)
