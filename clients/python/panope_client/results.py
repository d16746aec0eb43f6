"""What calls return where a generated message would not be handy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class SparseVector:
    """A vector of which most values are 0.

    Attributes:
        indices: where those are that are not, ascending: ids of the model's vocabulary.
        values: what they are.
    """

    indices: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """The vectors of a batch.

    Attributes:
        model: that embedded them.
        vectors: float32, `(texts, dimensions)`, in the order of the texts; read-only, a view of the response's bytes.
        token_counts: the tokens of each text as it was run, prompt and special tokens included.
        truncated_indices: the positions of texts that were cut, ascending.
        sparse_vectors: of a model that gives sparse vectors, one for each text; then `vectors` has none.
        vector_counts: of a model with a vector for each token, how many of `vectors` each text has.
    """

    model: str
    vectors: NDArray[np.float32]
    token_counts: tuple[int, ...]
    truncated_indices: tuple[int, ...]
    sparse_vectors: tuple[SparseVector, ...] = ()
    vector_counts: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.token_counts)

    @property
    def dimensions(self) -> int:
        """How many values each vector has."""
        return int(self.vectors.shape[1])

    @property
    def multi_vectors(self) -> list[NDArray[np.float32]]:
        """Of a model with a vector for each token: those of each text, `(vectors, dimensions)`; of others, none."""
        return np.split(self.vectors, np.cumsum(self.vector_counts)[:-1]) if self.vector_counts else []

    @staticmethod
    def joined(parts: Sequence[Embeddings]) -> Embeddings:
        """Joins several batches into one, in their order.

        Raises:
            ValueError: no parts, or parts of different models or dimensions.
        """
        if len({(part.model, part.dimensions) for part in parts}) != 1:
            raise ValueError("parts must be one or more batches of one model with the same dimensions")
        starts = np.cumsum([0, *(len(part) for part in parts)])
        return Embeddings(
            model=parts[0].model,
            vectors=np.concatenate([part.vectors for part in parts]),
            token_counts=tuple(count for part in parts for count in part.token_counts),
            truncated_indices=tuple(
                int(start) + index
                for start, part in zip(starts, parts, strict=False)  # one start more than parts
                for index in part.truncated_indices
            ),
            sparse_vectors=tuple(vector for part in parts for vector in part.sparse_vectors),
            vector_counts=tuple(count for part in parts for count in part.vector_counts),
        )


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one text.

    Attributes:
        ids: ids of the model's vocabulary.
        tokens: the tokens as text.
        offsets: where each token starts and ends (exclusive) in the text, in characters as Python counts them.
    """

    ids: tuple[int, ...]
    tokens: tuple[str, ...]
    offsets: tuple[tuple[int, int], ...]


class Health(StrEnum):
    """Whether a server or a model answers calls."""

    UNKNOWN = "UNKNOWN"
    SERVING = "SERVING"
    NOT_SERVING = "NOT_SERVING"
    SERVICE_UNKNOWN = "SERVICE_UNKNOWN"
