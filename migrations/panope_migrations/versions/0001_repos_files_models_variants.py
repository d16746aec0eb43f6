"""Repos, files and blobs; models, variants and components."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    counter = op.create_table(
        "change_counter",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_change_counter"),
        sa.CheckConstraint("id = 1", name=op.f("ck_change_counter_one_row")),
    )
    op.bulk_insert(counter, [{"id": 1, "value": 0}])
    _create_repos()
    _create_blobs()
    _create_models()
    _create_variants()


def downgrade() -> None:
    for table in (
        "variant_file",
        "component",
        "model_variant",
        "variant",
        "model",
        "blob_location",
        "repo_file",
        "blob",
        "revision",
        "repo",
        "vendor",
        "change_counter",
    ):
        op.drop_table(table)


def _create_repos() -> None:
    op.create_table(
        "vendor",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_vendor"),
        sa.UniqueConstraint("name", name="uq_vendor_name"),
    )
    op.create_table(
        "repo",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("vendor_id", IDENTIFIER, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("synced_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_repo"),
        sa.UniqueConstraint("name", name="uq_repo_name"),
        sa.ForeignKeyConstraint(["vendor_id"], ["vendor.id"], name="fk_repo_vendor_id_vendor"),
    )
    op.create_index("ix_repo_vendor_id", "repo", ["vendor_id"])
    op.create_table(
        "revision",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("repo_id", IDENTIFIER, nullable=False),
        sa.Column("commit", sa.Text(), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_revision"),
        sa.UniqueConstraint("repo_id", "commit", name="uq_revision_repo_id_commit"),
        sa.ForeignKeyConstraint(["repo_id"], ["repo.id"], name="fk_revision_repo_id_repo", ondelete="CASCADE"),
    )


def _create_blobs() -> None:
    op.create_table(
        "blob",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_blob"),
    )
    op.create_table(
        "repo_file",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("revision_id", IDENTIFIER, nullable=False),
        sa.Column("path", NAME, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_repo_file"),
        sa.UniqueConstraint("revision_id", "path", name="uq_repo_file_revision_id_path"),
        sa.ForeignKeyConstraint(
            ["revision_id"], ["revision.id"], name="fk_repo_file_revision_id_revision", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["sha256"], ["blob.sha256"], name="fk_repo_file_sha256_blob"),
    )
    op.create_index("ix_repo_file_sha256", "repo_file", ["sha256"])
    op.create_table(
        "blob_location",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("verified_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_blob_location"),
        sa.UniqueConstraint("sha256", "store", name="uq_blob_location_sha256_store"),
        sa.CheckConstraint("state IN ('present', 'quarantined')", name=op.f("ck_blob_location_state")),
        sa.ForeignKeyConstraint(["sha256"], ["blob.sha256"], name="fk_blob_location_sha256_blob", ondelete="CASCADE"),
    )


def _create_models() -> None:
    op.create_table(
        "model",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("vendor_id", IDENTIFIER, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("revision_id", IDENTIFIER, nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("architecture", sa.Text(), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_model"),
        sa.UniqueConstraint("name", name="uq_model_name"),
        sa.ForeignKeyConstraint(["vendor_id"], ["vendor.id"], name="fk_model_vendor_id_vendor"),
        sa.ForeignKeyConstraint(["revision_id"], ["revision.id"], name="fk_model_revision_id_revision"),
    )
    for column in ("vendor_id", "revision_id", "task"):
        op.create_index(f"ix_model_{column}", "model", [column])


def _create_variants() -> None:
    op.create_table(
        "variant",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("precision", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("parameter_count", sa.BigInteger(), nullable=False),
        sa.Column("derived_from_id", IDENTIFIER, nullable=True),
        sa.Column("backend", sa.Text(), nullable=False),
        sa.Column("engine_version", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_variant"),
        sa.UniqueConstraint("digest", name="uq_variant_digest"),
        sa.UniqueConstraint(
            "derived_from_id",
            "format",
            "precision",
            "engine_version",
            name="uq_variant_derived_from_id_format_precision_engine_version",
        ),
        sa.ForeignKeyConstraint(
            ["derived_from_id"], ["variant.id"], name="fk_variant_derived_from_id_variant", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "model_variant",
        sa.Column("model_id", IDENTIFIER, nullable=False),
        sa.Column("revision_id", IDENTIFIER, nullable=False),
        sa.Column("variant_id", IDENTIFIER, nullable=False),
        sa.PrimaryKeyConstraint("model_id", "revision_id", "variant_id", name="pk_model_variant"),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name="fk_model_variant_model_id_model", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["revision_id"], ["revision.id"], name="fk_model_variant_revision_id_revision", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["variant_id"], ["variant.id"], name="fk_model_variant_variant_id_variant", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_model_variant_revision_id", "model_variant", ["revision_id"])
    op.create_index("ix_model_variant_variant_id", "model_variant", ["variant_id"])
    op.create_table(
        "component",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("variant_id", IDENTIFIER, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("revision_id", IDENTIFIER, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_component"),
        sa.UniqueConstraint("variant_id", "name", name="uq_component_variant_id_name"),
        sa.ForeignKeyConstraint(
            ["variant_id"], ["variant.id"], name="fk_component_variant_id_variant", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["revision_id"], ["revision.id"], name="fk_component_revision_id_revision", ondelete="SET NULL"
        ),
    )
    op.create_index("ix_component_revision_id", "component", ["revision_id"])
    op.create_table(
        "variant_file",
        sa.Column("variant_id", IDENTIFIER, nullable=False),
        sa.Column("path", NAME, nullable=False),
        sa.Column("component_id", IDENTIFIER, nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("variant_id", "path", name="pk_variant_file"),
        sa.ForeignKeyConstraint(
            ["variant_id"], ["variant.id"], name="fk_variant_file_variant_id_variant", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["component_id"], ["component.id"], name="fk_variant_file_component_id_component", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["sha256"], ["blob.sha256"], name="fk_variant_file_sha256_blob"),
    )
    op.create_index("ix_variant_file_component_id", "variant_file", ["component_id"])
    op.create_index("ix_variant_file_sha256", "variant_file", ["sha256"])
