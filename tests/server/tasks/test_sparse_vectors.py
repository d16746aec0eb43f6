"""Sparse vectors on their way from a worker's message to callers."""

from __future__ import annotations

import msgspec
import orjson
import pytest

from panope.worker.v1 import embed_pb2 as messages
from panope_backends.errors import InternalError, PreconditionError
from panope_server.tasks.embed import EmbedOutput, SparseVector
from panope_server.tasks.embed.task import EmbedTask
from panope_server.transport.rest.embedding.vectors import matrix_of
from panope_server.transport.rest.text_embeddings.sparse_vectors import sparse_json

TASK = EmbedTask()
MESSAGE = messages.EmbedOutput(
    dimensions=100,
    token_counts=[3, 4, 2],
    truncated_indices=[5],
    sparse_counts=[2, 0, 1],
    sparse_indices=[7, 99, 0],
    sparse_values=[0.5, 1.25, 2.0],
)
VECTORS = [SparseVector([7, 99], [0.5, 1.25]), SparseVector([], []), SparseVector([0], [2.0])]


def part() -> EmbedOutput:
    return TASK.decode(MESSAGE.SerializeToString())


def test_each_text_has_its_values() -> None:
    found = part()
    assert (found.sparse_vectors, found.vectors, found.dimensions, found.count) == (VECTORS, b"", 100, 3)
    assert TASK.usage(found) == (9, 3 * 8) or TASK.usage(found).output_units == 3 * 8


def test_parts_are_joined_and_texts_told_apart() -> None:
    whole = TASK.join([part(), part()])
    assert (whole.sparse_vectors, whole.count) == (VECTORS * 2, 6)
    each = TASK.answers(part(), 4)
    assert [answer.sparse_vectors for answer in each] == [[vector] for vector in VECTORS]
    assert [answer.truncated_indices for answer in each] == [[], [0], []]


def test_a_kept_answer_is_the_same() -> None:
    kept = msgspec.msgpack.encode(part())
    assert msgspec.msgpack.decode(kept, type=EmbedOutput) == part()


def test_as_json_they_are_places_and_values() -> None:
    assert TASK.json.value_of(part())[0] == {"indices": [7, 99], "values": [0.5, 1.25]}
    assert orjson.loads(sparse_json(part())) == [
        [{"index": 7, "value": 0.5}, {"index": 99, "value": 1.25}],
        [],
        [{"index": 0, "value": 2.0}],
    ]


def test_a_form_for_the_other_kind_of_vectors_refuses_them_by_name() -> None:
    with pytest.raises(PreconditionError, match="the model gives sparse vectors, which this route does not hold"):
        matrix_of(part())
    with pytest.raises(PreconditionError, match="the model gives no sparse vectors"):
        sparse_json(EmbedOutput(b"\0\0\0\0", 1, 1, [1], []))


def test_a_value_that_is_no_number_is_never_printed() -> None:
    with pytest.raises(InternalError, match="NaN or Infinity"):
        sparse_json(EmbedOutput(b"", 1, 2, [1], [], [SparseVector([0], [float("nan")])]))
