"""Task `embed`: texts to vectors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Purpose = Literal["", "query", "document"]


@dataclass(slots=True)
class EmbedInput:
    """Texts to embed; exactly one of `texts` and `token_sequences` is filled.

    Attributes:
        own_ids: whether `token_sequences` are ids of the model's vocabulary; otherwise nobody knows yet whose they are.
        truncation: `refuse`, `end` or `start`.
        normalize: None for what the model's files say.
        dimensions: how many leading values to keep; None for all.
        prompt_name: None for what the model's files say.
        purpose: what the texts are for; the model's own prompt for it goes before each, if it has one.
    """

    texts: list[str] = field(default_factory=list)
    token_sequences: list[list[int]] = field(default_factory=list)
    own_ids: bool = True
    truncation: str = "refuse"
    normalize: bool | None = None
    dimensions: int | None = None
    prompt_name: str | None = None
    purpose: Purpose = ""


@dataclass(slots=True)
class EmbedOutput:
    """Vectors in the order of the texts: `count` × `dimensions` little-endian 32-bit floats."""

    vectors: bytes
    count: int
    dimensions: int
    token_counts: list[int]
    truncated_indices: list[int]
