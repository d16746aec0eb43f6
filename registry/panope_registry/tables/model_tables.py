"""The tables.

    vendor ─< repo ─< revision ─< repo_file >── blob ─< blob_location
                         │                       │
    vendor ─< model >────┘                       │
                │                                │
                └─< model_variant >── variant ─< variant_file
                                         └────< component

A blob without a `blob_location` is known and not here: its repo's listing names it, and it can be downloaded.

A repo is where files come from, a revision is what it held at one commit, a blob is bytes, known by their sha256. A
model is what a user names; a variant is a runnable form of it, identified for ever by the digest of its manifest.
Variants belong to no model alone: the same bytes imported under two names are one variant, and converted once for each
task that they are run for.

Core tables rather than mapped classes: importing the mapper takes 35 ms of every command, and queries here name their
columns anyway (docs/decisions/0201).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from panope_registry.tables.columns import Identifier, Json, JsonList, Name, UtcDateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: Counts the changes of models, repos and variants. Its one row is locked by whoever changes them, so that there is one
#: writer at a time, and read by whoever follows them.
change_counter = Table(
    "change_counter",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("value", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

vendor = Table(
    "vendor",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("name", Name, nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
)

repo = Table(
    "repo",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("vendor_id", ForeignKey("vendor.id"), nullable=False, index=True),
    Column("name", Name, nullable=False, unique=True, doc="VENDOR/NAME"),
    Column("source", Text, nullable=False, doc="where its files come from: `folder` or `hub`"),
    Column("endpoint", Text, doc="the hub's address when last synced; null for a folder"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("synced_at", UtcDateTime, nullable=False, doc="when its files were last listed"),
)

revision = Table(
    "revision",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("repo_id", ForeignKey("repo.id", ondelete="CASCADE"), nullable=False),
    Column("commit", Text, nullable=False, doc="names the content; of a folder, the digest of its listing"),
    Column("config", Json, nullable=False, doc="the parsed config.json; {} without one"),
    # What the hub says of it; all null for a folder.
    Column("ref", Text, doc="the branch, tag or commit that was asked for last"),
    Column("pipeline_tag", Text, doc="the task as the hub names it; '' without one"),
    Column("library_name", Text, doc="'' without one"),
    Column("card", Json, doc="`tags`, `base_models` and `gated`"),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("repo_id", "commit"),
)

repo_file = Table(
    "repo_file",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("revision_id", ForeignKey("revision.id", ondelete="CASCADE"), nullable=False),
    Column("path", Name, nullable=False, doc="relative, with /"),
    Column("kind", Text, nullable=False, doc="what it is for, a `FileKind`"),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", ForeignKey("blob.sha256"), index=True, doc="null while unknown, as for what is not imported"),
    # What the source's listing says; all null for a folder.
    Column("declared_sha256", Text, doc="null for files that the hub keeps in git itself"),
    Column("git_sha1", Text, index=True, doc="of git's blob; for a large file that of its pointer"),
    Column("xet_hash", Text, doc="the hub's own name of the content; no sha256"),
    Column("hash_source", Text, doc="whence `sha256`: `declared` by the source or `computed` here; null without one"),
    UniqueConstraint("revision_id", "path"),
)

blob = Table(
    "blob",
    metadata,
    Column("sha256", Text, primary_key=True, doc="64 hexadecimal digits"),
    Column("size_bytes", BigInteger, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("content", LargeBinary, doc="of a small file that was made here and that no source has; null for others"),
)

#: A blob's presence in one store. Several machines may share a database, and each trusts its own disk alone.
blob_location = Table(
    "blob_location",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("sha256", ForeignKey("blob.sha256", ondelete="CASCADE"), nullable=False),
    Column("store", Text, nullable=False, doc="the store's id"),
    Column("state", Text, nullable=False),
    Column("fingerprint", Text, nullable=False, doc="device:inode:size:mtime_ns when last hashed; '' never"),
    Column("verified_at", UtcDateTime, doc="when last hashed"),
    UniqueConstraint("sha256", "store"),
    CheckConstraint("state IN ('present', 'quarantined')", name="state"),
)

model = Table(
    "model",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("vendor_id", ForeignKey("vendor.id"), nullable=False, index=True),
    Column("name", Name, nullable=False, unique=True, doc="VENDOR/NAME"),
    Column("revision_id", ForeignKey("revision.id"), nullable=False, index=True, doc="the one that is served"),
    Column("task", Text, nullable=False, index=True, doc="'' when open or unknown"),
    Column("task_candidates", JsonList, doc="the tasks among which somebody must decide; null when none must"),
    Column("architecture", Text, nullable=False, doc="'' when unknown"),
    Column("reasons", Json, nullable=False, doc="what was concluded -> from what"),
    # As asked for at registration; null when nothing was.
    Column("task_hints", JsonList, doc="what it is for, as the user says, the likeliest first"),
    Column("preferred_format", Text, doc="of variants"),
    Column("preferred_precision", Text, doc="of variants"),
    Column("quantization_targets", JsonList, doc="precisions to quantize to once the weights are here, such as `int8`"),
    Column("keep_alive_seconds", Double, doc="for which it stays loaded unused; negative for ever, null: not said"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

variant = Table(
    "variant",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("digest", Text, nullable=False, unique=True, doc="sha256 of the manifest"),
    Column("format", Text, nullable=False, doc="safetensors, onnx, openvino, gguf or pytorch"),
    Column("precision", Text, nullable=False, doc="of most weights, such as fp32; '' when unknown"),
    Column("size_bytes", BigInteger, nullable=False, doc="of all its files"),
    Column("parameter_count", BigInteger, nullable=False, doc="0 when unknown"),
    # What a conversion made of what, and for which task; all empty for a variant that came with its repo.
    Column("derived_from_id", ForeignKey("variant.id", ondelete="CASCADE")),
    Column("task", Text, doc="of the models that a conversion is a variant of; null for what came with its repo"),
    Column("backend", Text, nullable=False),
    Column("engine_version", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("derived_from_id", "task", "format", "precision", "engine_version"),
)

#: Which model offers which variant in which revision. Conversions are not listed: they follow their source.
model_variant = Table(
    "model_variant",
    metadata,
    Column("model_id", ForeignKey("model.id", ondelete="CASCADE"), primary_key=True),
    Column("revision_id", ForeignKey("revision.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("variant_id", ForeignKey("variant.id", ondelete="CASCADE"), primary_key=True, index=True),
)

#: A named part of a variant: weights, config, tokenizer, adapter. Its files may come from another repo than the model's
#: own. A part that names a repo has no files: it says whose files an adapter's variant has beside the adapter's.
component = Table(
    "component",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("variant_id", ForeignKey("variant.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column(
        "revision_id",
        ForeignKey("revision.id", ondelete="SET NULL"),
        index=True,
        doc="where its files were found first; null for what was made here",
    ),
    Column("repo_name", Name, index=True, doc="VENDOR/NAME of the other repo that it is; null for a part with files"),
    UniqueConstraint("variant_id", "name"),
)

variant_file = Table(
    "variant_file",
    metadata,
    Column("variant_id", ForeignKey("variant.id", ondelete="CASCADE"), primary_key=True),
    Column("path", Name, primary_key=True, doc="in the folder that a backend gets"),
    Column("component_id", ForeignKey("component.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("sha256", ForeignKey("blob.sha256"), nullable=False, index=True),
)
