"""One name for one thing: principals, dependencies of jobs, when rows were made, aliases that were deleted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.DateTime(timezone=True)

ALIAS_EVENT_COLUMNS = (
    "id",
    "alias",
    "version",
    "action",
    "target_model",
    "variant_digest",
    "before_id",
    "principal",
    "reason",
    "created_at",
)


def upgrade() -> None:
    _rename_column("pin", "who", "principal")
    _rename_column("alias_event", "who", "principal")
    _rename_column("alias_event", "at", "created_at")
    _rename_action("removed", "deleted")
    _drop_inference_log_indexes("at")
    _rename_column("inference_log", "at", "created_at")
    _create_inference_log_indexes("created_at")
    _move_dependencies("job_need", "needed_id", "job_dependency", "depends_on_id")


def downgrade() -> None:
    _move_dependencies("job_dependency", "depends_on_id", "job_need", "needed_id")
    _drop_inference_log_indexes("created_at")
    _rename_column("inference_log", "created_at", "at")
    _create_inference_log_indexes("at")
    _rename_action("deleted", "removed")
    _rename_column("alias_event", "created_at", "at")
    _rename_column("alias_event", "principal", "who")
    _rename_column("pin", "principal", "who")


def _rename_column(table: str, old: str, new: str) -> None:
    """Both databases know this statement, and change what refers to the column."""
    op.execute(f'ALTER TABLE {table} RENAME COLUMN "{old}" TO "{new}"')


def _rename_action(old: str, new: str) -> None:
    """Changes what the history of aliases calls a deletion, in its rows and in the check of its column."""
    check = f"action IN ('set', 'rolled_back', '{new}')"
    if op.get_bind().dialect.name == "sqlite":
        _make_alias_event_anew(check, old, new)
        return
    op.drop_constraint(op.f("ck_alias_event_action"), "alias_event", type_="check")
    op.execute(f"UPDATE alias_event SET action = '{new}' WHERE action = '{old}'")  # noqa: S608 - literals of this file
    op.create_check_constraint(op.f("ck_alias_event_action"), "alias_event", check)


def _make_alias_event_anew(check: str, old: str, new: str) -> None:
    """SQLite changes the check of a table by making the table anew; Alembic's way of doing so loses checks."""
    op.create_table(
        "alias_event_anew",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("alias", NAME, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target_model", NAME, nullable=False),
        sa.Column("variant_digest", sa.Text(), nullable=False),
        sa.Column("before_id", IDENTIFIER, nullable=True),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alias_event"),
        sa.UniqueConstraint("alias", "version", name="uq_alias_event_alias_version"),
        sa.ForeignKeyConstraint(["before_id"], ["alias_event.id"], name="fk_alias_event_before_id_alias_event"),
        sa.CheckConstraint(check, name=op.f("ck_alias_event_action")),
    )
    values = [
        f"CASE action WHEN '{old}' THEN '{new}' ELSE action END" if name == "action" else name
        for name in ALIAS_EVENT_COLUMNS
    ]
    op.execute(
        f"INSERT INTO alias_event_anew ({', '.join(ALIAS_EVENT_COLUMNS)}) "  # noqa: S608 - literals of this file
        f"SELECT {', '.join(values)} FROM alias_event"
    )
    op.drop_table("alias_event")
    op.rename_table("alias_event_anew", "alias_event")


def _drop_inference_log_indexes(column: str) -> None:
    op.drop_index(f"ix_inference_log_{column}", "inference_log")
    op.drop_index(f"ix_inference_log_model_{column}", "inference_log")


def _create_inference_log_indexes(column: str) -> None:
    op.create_index(f"ix_inference_log_{column}", "inference_log", [column])
    op.create_index(f"ix_inference_log_model_{column}", "inference_log", ["model", column])


def _move_dependencies(old: str, old_column: str, new: str, new_column: str) -> None:
    """Moves the rows to a table of the new name, so that its keys and indexes are named after it too."""
    op.create_table(
        new,
        sa.Column("job_id", IDENTIFIER, nullable=False),
        sa.Column(new_column, IDENTIFIER, nullable=False),
        sa.PrimaryKeyConstraint("job_id", new_column, name=f"pk_{new}"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=f"fk_{new}_job_id_job", ondelete="CASCADE"),
        sa.ForeignKeyConstraint([new_column], ["job.id"], name=f"fk_{new}_{new_column}_job", ondelete="CASCADE"),
    )
    op.execute(
        f"INSERT INTO {new} (job_id, {new_column}) SELECT job_id, {old_column} FROM {old}"  # noqa: S608 - literals of this file
    )
    op.drop_table(old)
    op.create_index(f"ix_{new}_{new_column}", new, [new_column])
