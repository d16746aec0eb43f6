"""Vectors as JSON, printed in pieces so that a large batch never holds the event loop."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from panope_backends.errors import InternalError, PreconditionError
from panope_server.tasks.embed import EmbedOutput

Matrix = NDArray[np.float32]
Encoding = Literal["float", "base64"]

Vector = list[float] | str
"""A vector in an answer: numbers, or base64 of little-endian 32-bit floats."""

#: Values printed at a time: about a millisecond.
_PIECE_VALUES = 16384

#: As far as the length of a vector is from 1 that float32 was scaled in.
_LENGTH_TOLERANCE = 1e-6


def matrix_of(answer: EmbedOutput) -> Matrix:
    """The vectors as `count` × `dimensions`.

    Raises:
        PreconditionError: the model gives sparse vectors, or several for each text, which the route does not hold.
    """
    if answer.sparse_vectors:
        raise PreconditionError(
            "the model gives sparse vectors, which this route does not hold; /embed_sparse, /v1/infer and EmbedService "
            "do",
            reason="sparse_vectors",
        )
    if answer.vector_counts:
        raise PreconditionError(
            "the model gives a vector for each token, which this route does not hold; /embed_all, /v1/infer and "
            "EmbedService do",
            reason="multi_vectors",
        )
    matrix = np.frombuffer(answer.vectors, "<f4").reshape(answer.count, answer.dimensions)
    if not np.isfinite(matrix).all():
        raise InternalError("the model gave a vector with NaN or Infinity")
    return matrix


def of_length_one(matrix: Matrix) -> Matrix:
    """The vectors scaled to length 1; those that have it stay as they are to the last bit, and zeros are zeros."""
    lengths = np.sqrt(np.einsum("ij,ij->i", matrix, matrix, dtype=np.float64))
    needs = (np.abs(lengths - 1) > _LENGTH_TOLERANCE) & (lengths > 0)
    scaled: Matrix = matrix / np.where(needs, lengths, 1).astype(np.float32)[:, None]
    return scaled


async def vectors_json(matrix: Matrix, encoding: Encoding, item: Callable[[int, object], object]) -> bytes:
    """A JSON list with one item for each vector.

    Args:
        matrix: the vectors.
        encoding: numbers, in the shortest form that reads back as the same float32, or base64 of little-endian float32.
        item: makes an item from its position and its encoded vector.
    """
    rows = max(1, _PIECE_VALUES // max(1, matrix.shape[1]))
    pieces = []
    for start in range(0, len(matrix), rows):
        if start:
            await asyncio.sleep(0)
        items = [item(start + i, _encoded(row, encoding)) for i, row in enumerate(matrix[start : start + rows])]
        pieces.append(orjson.dumps(items, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1])
    return b"[" + b",".join(pieces) + b"]"


async def value_json(value: object) -> bytes:
    """A task's value as JSON; a matrix, such as vectors are, in pieces."""
    if isinstance(value, np.ndarray) and value.ndim == 2:
        return await vectors_json(value, "float", lambda _, vector: vector)
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def _encoded(row: Matrix, encoding: Encoding) -> object:
    return row if encoding == "float" else base64.b64encode(row.tobytes()).decode()
