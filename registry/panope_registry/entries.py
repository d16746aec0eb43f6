"""What the registry tells of models: plain values, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class FileEntry:
    """A file of a variant; `path` is relative to the folder that a backend gets."""

    path: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class VariantEntry:
    """A runnable form of a model.

    Attributes:
        digest: names its content for ever, 64 hexadecimal digits.
        format: `safetensors`, `onnx`, `openvino` or `gguf`.
        precision: of most weights, such as `fp32`; empty when unknown.
        size_bytes: of all files.
        parameter_count: 0 when unknown.
        derived_from: the digest of the variant that it was converted from; None when it came with its repo.
        engine_version: of the engine that converted it; empty when none did.
        files: by path.
    """

    digest: str
    format: str
    precision: str
    size_bytes: int
    parameter_count: int
    derived_from: str | None
    engine_version: str
    files: tuple[FileEntry, ...]


@dataclass(frozen=True)
class ModelEntry:
    """A model in the revision that is served.

    Attributes:
        name: `vendor/name`.
        task: such as `embed`; empty when unknown.
        architecture: the class that the checkpoint names; empty when unknown.
        created_at: when the name was first used.
        reasons: what was concluded -> from what, for people.
        variants: those that came with the revision, then their conversions.
        config: the parsed config.json; {} without one.
    """

    name: str
    task: str
    architecture: str
    created_at: datetime
    reasons: Mapping[str, str]
    variants: tuple[VariantEntry, ...]
    config: Mapping[str, Any]
