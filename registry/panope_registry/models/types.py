"""What the registry tells of models: plain values, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class ModelFilter:
    """Which models are wanted; all by default.

    Attributes:
        task: that they have; empty for every task.
        format: of one of their variants at least; empty for every format.
        prefix: that their names begin with.
        names: that they have; None for every name.
        not_names: that they do not have.
    """

    task: str = ""
    format: str = ""
    prefix: str = ""
    names: frozenset[str] | None = None
    not_names: frozenset[str] = frozenset()

    def takes(self, entry: ModelEntry) -> bool:
        """Returns whether a model is wanted; the database's answer to the same question is the same."""
        return (
            self.task in ("", entry.task)
            and (not self.format or any(variant.format == self.format for variant in entry.variants))
            and entry.name.startswith(self.prefix)
            and (self.names is None or entry.name in self.names)
            and entry.name not in self.not_names
        )


EVERY_MODEL = ModelFilter()


@dataclass(frozen=True)
class FileEntry:
    """A file of a variant; `path` is relative to the folder that a backend gets."""

    path: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class PinEntry:
    """A pin: it keeps a variant's files, whether they are used or not."""

    principal: str
    reason: str
    created_at: datetime


@dataclass(frozen=True)
class VariantEntry:
    """A runnable form of a model.

    Attributes:
        digest: names its content for ever, 64 hexadecimal digits.
        format: `safetensors`, `onnx`, `openvino`, `gguf` or `pytorch`.
        precision: of most weights, such as `fp32`; empty when unknown.
        size_bytes: of all files.
        parameter_count: 0 when unknown.
        derived_from: the digest of the variant that it was converted from; None when it came with its repo.
        engine_version: of the engine that converted it; empty when none did.
        files: by path.
        is_local: whether every file is in this store; what is not is downloaded first.
        missing_bytes: of the files that are not here; files that several variants share count for each.
        is_obtainable: whether a hub, or the shared store, has every file that is not here.
        memory_bytes: what running it takes, as its weights and config.json tell; 0 when unknown.
        base_models: the model that it is an adapter of, whose files it has beside its own; empty for others.
        pin: None when it is not pinned.
        order: among the model's variants, as their files' names order them; it settles ties.
    """

    digest: str
    format: str
    precision: str
    size_bytes: int
    parameter_count: int
    derived_from: str | None
    engine_version: str
    files: tuple[FileEntry, ...]
    is_local: bool = True
    missing_bytes: int = 0
    is_obtainable: bool = True
    memory_bytes: int = 0
    base_models: tuple[str, ...] = ()
    pin: PinEntry | None = None
    order: int = field(default=0, compare=False)


@dataclass(frozen=True)
class RepoFileEntry:
    """A file of the revision that a model serves, also when no variant uses it.

    Attributes:
        path: in the repo.
        sha256: None while unknown, as for what is not kept here.
        kind: `weights`, `config`, `tokenizer`, `document`, `unsafe`, `code`, `granted_code` or `other`.
        is_local: whether its bytes are in this store.
        git_sha1: as the hub lists it; None for a folder's.
        hash_source: `declared` by the source or `computed` here; empty without a sha256.
    """

    path: str
    size_bytes: int
    sha256: str | None
    kind: str
    is_local: bool
    git_sha1: str | None = None
    hash_source: str = ""


@dataclass(frozen=True)
class MissingFile:
    """A file that a variant needs and this store has not, and where it is.

    Attributes:
        path: in the repo, which is not always its path in the variant.
        sha256: of its bytes, as the hub declares it.
        git_sha1: of git's pointer to it; of no use for checking the bytes.
        repo: `vendor/name` on the hub; empty for a file that the shared store alone has.
        commit: that has the file; empty likewise.
    """

    path: str
    sha256: str
    git_sha1: str | None
    size_bytes: int
    repo: str
    commit: str


@dataclass(frozen=True)
class ModelEntry:
    """A model in the revision that is served.

    Attributes:
        name: `vendor/name`.
        task: such as `embed`; empty when open or unknown.
        architecture: the class that the checkpoint names; empty when unknown.
        created_at: when the name was first used.
        reasons: what was concluded -> from what, for people.
        variants: those that came with the revision, then their conversions.
        config: the parsed config.json; {} without one.
        source: where it comes from: `folder` or `hub`.
        commit: of the revision that is served.
        ref: the branch, tag or commit that was asked for; empty for a folder.
        preferred_format: of variants, as asked for at registration; empty when nothing was.
        preferred_precision: likewise.
        task_candidates: the tasks among which somebody must decide; empty when none must.
        quantization_targets: precisions to quantize to once the weights are here, as asked for at registration.
        keep_alive_seconds: for which it stays loaded unused, unless a load or a call says otherwise: 0 until a call has
            ended, negative for ever; None leaves it to the settings.
    """

    name: str
    task: str
    architecture: str
    created_at: datetime
    reasons: Mapping[str, str]
    variants: tuple[VariantEntry, ...]
    config: Mapping[str, Any]
    source: str = "folder"
    commit: str = ""
    ref: str = ""
    preferred_format: str = ""
    preferred_precision: str = ""
    task_candidates: tuple[str, ...] = ()
    quantization_targets: tuple[str, ...] = ()
    keep_alive_seconds: float | None = None


@dataclass(frozen=True)
class StoreIds:
    """The ids of this machine's store and of the shared one; empty for none."""

    here: str
    shared: str = ""
