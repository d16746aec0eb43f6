"""A conversion belongs to a task: models of another task run another graph of the same weights."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

KEY = ["format", "precision", "engine_version"]
OLD = "uq_variant_derived_from_id_format_precision_engine_version"
NEW = "uq_variant_derived_from_id_task_format_precision_engine_version"


def upgrade() -> None:
    with op.batch_alter_table("variant") as batch:
        batch.add_column(sa.Column("task", sa.Text(), nullable=True))
        batch.drop_constraint(OLD, type_="unique")
        batch.create_unique_constraint(NEW, ["derived_from_id", "task", *KEY])
    # What converted them asked for the task of the first model that offers the source.
    op.execute(
        "UPDATE variant SET task = coalesce((SELECT model.task FROM model_variant "
        "JOIN model ON model.id = model_variant.model_id WHERE model_variant.variant_id = variant.derived_from_id "
        "ORDER BY model.name LIMIT 1), '') WHERE derived_from_id IS NOT NULL"
    )
    # What was made of a conversion is of its task; models offer none of them by name.
    op.execute(
        "UPDATE variant SET task = (SELECT source.task FROM variant AS source "
        "WHERE source.id = variant.derived_from_id) WHERE derived_from_id IN "
        "(SELECT id FROM variant WHERE derived_from_id IS NOT NULL)"
    )


def downgrade() -> None:
    same = " AND ".join(f"older.{column} = newer.{column}" for column in ("derived_from_id", *KEY))
    pairs = "variant AS newer JOIN variant AS older ON older.id < newer.id"
    newer = f"SELECT newer.id FROM {pairs} AND {same}"  # noqa: S608 - literals of this file
    for table in ("variant_file", "component", "lease", "pin"):
        op.execute(f"DELETE FROM {table} WHERE variant_id IN ({newer})")  # noqa: S608 - literals of this file
    op.execute(f"DELETE FROM variant WHERE id IN ({newer})")  # noqa: S608 - literals of this file
    with op.batch_alter_table("variant") as batch:
        batch.drop_constraint(NEW, type_="unique")
        batch.drop_column("task")
        batch.create_unique_constraint(OLD, ["derived_from_id", *KEY])
