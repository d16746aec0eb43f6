"""API keys, limits and what was asked for of them, and the audit log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _create_counter()
    _create_keys()
    _create_limits()
    _create_audit_log()


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER audit_event_unchanged ON audit_event")
        op.execute("DROP FUNCTION refuse_change_of_audit_event()")
    for table in ("audit_event", "limit_budget", "model_limit", "api_key_secret", "api_key", "access_counter"):
        op.drop_table(table)


def _create_counter() -> None:
    counter = op.create_table(
        "access_counter",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_access_counter_one_row")),
        sa.PrimaryKeyConstraint("id", name="pk_access_counter"),
    )
    op.bulk_insert(counter, [{"id": 1, "value": 0}])


def _create_keys() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("models", sa.Text(), nullable=False),
        sa.Column("max_priority", sa.Text(), nullable=False),
        sa.Column("limits", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.Column("last_used_at", MOMENT, nullable=True),
        sa.CheckConstraint("max_priority IN ('low', 'normal', 'high')", name=op.f("ck_api_key_max_priority")),
        sa.PrimaryKeyConstraint("id", name="pk_api_key"),
        sa.UniqueConstraint("name", name="uq_api_key_name"),
    )
    op.create_table(
        "api_key_secret",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("pepper_id", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["key_id"], ["api_key.id"], name="fk_api_key_secret_key_id_api_key", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_api_key_secret"),
    )
    op.create_index("ix_api_key_secret_key_id", "api_key_secret", ["key_id"])


def _create_limits() -> None:
    op.create_table(
        "model_limit",
        sa.Column("model", NAME, nullable=False),
        sa.Column("limits", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("model", name="pk_model_limit"),
    )
    op.create_table(
        "limit_budget",
        sa.Column("subject", NAME, nullable=False),
        sa.Column("counted", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("used", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.Column("granted", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "counted", "period", name="pk_limit_budget"),
    )


def _create_audit_log() -> None:
    op.create_table(
        "audit_event",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_event"),
    )
    op.create_index("ix_audit_event_created_at", "audit_event", ["created_at"])
    op.create_index("ix_audit_event_principal_created_at", "audit_event", ["principal", "created_at"])
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER audit_event_unchanged BEFORE UPDATE ON audit_event "
            "BEGIN SELECT RAISE(ABORT, 'audit events are never changed'); END"
        )
        return
    op.execute(
        "CREATE FUNCTION refuse_change_of_audit_event() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'audit events are never changed'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_event_unchanged BEFORE UPDATE ON audit_event "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit_event()"
    )
