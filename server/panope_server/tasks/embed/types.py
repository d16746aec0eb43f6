"""What task `embed` takes and gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from panope_server.tasks.texts import TextsInput, TextsOutput

Purpose = Literal["", "query", "document"]


@dataclass(slots=True)
class EmbedInput(TextsInput):
    """Texts, or their token ids, to embed.

    Attributes:
        normalize: None for what the model's files say.
        dimensions: how many leading values to keep; None for all.
        prompt_name: None for what the model's files say.
        purpose: what the texts are for; the model's own prompt for it goes before each, if it has one.
    """

    normalize: bool | None = None
    dimensions: int | None = None
    prompt_name: str | None = None
    purpose: Purpose = ""


@dataclass(slots=True)
class SparseVector:
    """The values of a vector that are not 0, and where they are, ascending."""

    indices: list[int]
    values: list[float]


@dataclass(slots=True)
class EmbedOutput(TextsOutput):
    """Vectors in the order of the texts: `count` × `dimensions` little-endian 32-bit floats.

    Attributes:
        sparse_vectors: of a model that gives sparse vectors, one for each text; then `vectors` is empty.
        vector_counts: of a model with a vector for each token, how many of `vectors` each text has; `count` is that of
            texts all the same.
    """

    vectors: bytes
    count: int
    dimensions: int
    token_counts: list[int]
    truncated_indices: list[int]
    sparse_vectors: list[SparseVector] = field(default_factory=list)
    vector_counts: list[int] = field(default_factory=list)

    def of_each(self) -> list[NDArray[np.float32]]:
        """The vectors of each text, of a model with several."""
        rows = np.frombuffer(self.vectors, "<f4").reshape(-1, self.dimensions)
        return np.split(rows, np.cumsum(self.vector_counts)[:-1])


@dataclass(frozen=True)
class EmbedSpec:
    """What an `embed` model takes and gives; `dimensions` is 0 while unknown.

    Attributes:
        inputs: `texts`, `images` or both.
        image_poolings: what requests may ask for of images, the default first; empty for models of texts.
    """

    dimensions: int
    max_tokens: int
    prompt_names: tuple[str, ...]
    pooling: str
    normalize: bool
    batching: str
    inputs: tuple[str, ...] = ("texts",)
    image_poolings: tuple[str, ...] = ()
