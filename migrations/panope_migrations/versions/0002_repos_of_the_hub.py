"""What a hub says of repos, revisions and files; parts of variants that are other repos."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

#: All may be null, so that no table is made anew on SQLite.
COLUMNS = {
    "repo": ("endpoint",),
    "revision": ("ref", "pipeline_tag", "library_name", "card"),
    "repo_file": ("declared_sha256", "git_sha1", "xet_hash", "hash_source"),
    "model": ("preferred_format",),
}


def upgrade() -> None:
    for table, names in COLUMNS.items():
        for name in names:
            op.add_column(table, sa.Column(name, sa.Text(), nullable=True))
    op.add_column("component", sa.Column("repo_name", NAME, nullable=True))
    op.create_index("ix_repo_file_git_sha1", "repo_file", ["git_sha1"])
    op.create_index("ix_component_repo_name", "component", ["repo_name"])


def downgrade() -> None:
    op.drop_index("ix_component_repo_name", "component")
    op.drop_index("ix_repo_file_git_sha1", "repo_file")
    op.drop_column("component", "repo_name")
    for table, names in COLUMNS.items():
        for name in names:
            op.drop_column(table, name)
