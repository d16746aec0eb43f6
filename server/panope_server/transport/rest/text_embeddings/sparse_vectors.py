"""Sparse vectors as Text Embeddings Inference writes them."""

from __future__ import annotations

import math

import orjson

from panope_backends.errors import InternalError, PreconditionError
from panope_server.tasks.embed import EmbedOutput


def sparse_json(answer: EmbedOutput) -> bytes:
    """A list for each text, of the values that are not 0 and where they are.

    Raises:
        PreconditionError: the model gives no sparse vectors.
    """
    if not answer.sparse_vectors:
        raise PreconditionError("the model gives no sparse vectors, only dense ones", reason="no_sparse_vectors")
    if not all(math.isfinite(value) for vector in answer.sparse_vectors for value in vector.values):
        raise InternalError("the model gave a vector with NaN or Infinity")
    return orjson.dumps(
        [
            [{"index": index, "value": value} for index, value in zip(vector.indices, vector.values, strict=True)]
            for vector in answer.sparse_vectors
        ]
    )
