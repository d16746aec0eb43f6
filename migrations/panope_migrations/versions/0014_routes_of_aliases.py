"""Aliases may have several targets, among which their calls are split by weights or by what is observed of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

_IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("alias_event", sa.Column("policy", sa.Text(), nullable=True))
    op.create_table(
        "alias_target",
        sa.Column("event_id", _IDENTIFIER, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("model", _NAME, nullable=False),
        sa.Column("variant_digest", sa.Text(), nullable=False),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.Column("price", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["alias_event.id"], name="fk_alias_target_event_id_alias_event"),
        sa.PrimaryKeyConstraint("event_id", "position", name="pk_alias_target"),
    )
    op.create_index("ix_alias_target_model", "alias_target", ["model"])
    op.create_table(
        "route_statistics",
        sa.Column("alias", _NAME, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("target", _NAME, nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("observations", sa.Double(), nullable=False),
        sa.Column("total", sa.Double(), nullable=False),
        sa.Column("squares", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("alias", "version", "target", "metric", name="pk_route_statistics"),
    )
    op.add_column("inference_log", sa.Column("route", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("inference_log", "route")
    op.drop_table("route_statistics")
    op.drop_index("ix_alias_target_model", "alias_target")
    op.drop_table("alias_target")
    op.drop_column("alias_event", "policy")
