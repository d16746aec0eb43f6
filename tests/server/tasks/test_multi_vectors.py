"""Vectors of tokens on the server's side: handed on, joined, kept, told apart and printed."""

import msgspec
import numpy as np
import pytest

from panope.worker.v1 import embed_pb2 as messages
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_server.config import Limits
from panope_server.tasks.embed import EmbedInput, EmbedOutput
from panope_server.tasks.embed.task import EmbedTask
from panope_server.tasks.rerank import RerankTask
from panope_server.transport.rest.embedding.vectors import matrix_of

TASK = EmbedTask()
ROWS = np.arange(10, dtype=np.float32).reshape(5, 2)
MESSAGE = messages.EmbedOutput(
    vectors=ROWS.tobytes(), dimensions=2, token_counts=[4, 3], truncated_indices=[1], vector_counts=[3, 2]
)


def part() -> EmbedOutput:
    return TASK.decode(MESSAGE.SerializeToString())


def test_each_text_has_its_vectors() -> None:
    found = part()
    assert (found.count, found.vector_counts) == (2, [3, 2])
    assert [vectors.tolist() for vectors in found.of_each()] == [ROWS[:3].tolist(), ROWS[3:].tolist()]
    assert TASK.json.value_of(found) == [ROWS[:3].tolist(), ROWS[3:].tolist()]


def test_parts_are_joined_and_texts_told_apart() -> None:
    whole = TASK.join([part(), part()])
    assert (whole.count, whole.vector_counts, len(whole.vectors)) == (4, [3, 2, 3, 2], 80)
    first, second = TASK.answers(part(), 0)
    assert (first.vector_counts, first.vectors) == ([3], ROWS[:3].tobytes())
    assert (second.vector_counts, second.vectors, second.token_counts) == ([2], ROWS[3:].tobytes(), [3])
    joined = TASK.join([first, second])
    assert (joined.vectors, joined.vector_counts) == (part().vectors, [3, 2])


def test_a_kept_answer_is_the_same() -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(part()), type=EmbedOutput) == part()


def test_a_form_for_one_vector_of_a_text_refuses_them_by_name() -> None:
    with pytest.raises(PreconditionError, match="a vector for each token, which this route does not hold"):
        matrix_of(part())


def test_a_purpose_and_a_prompt_exclude_each_other() -> None:
    with pytest.raises(InvalidInputError, match="`purpose` and `prompt_name` exclude each other"):
        TASK.validate(EmbedInput(["a"], prompt_name="query", purpose="query"), Limits())


def test_models_that_embed_may_be_asked_to_rerank() -> None:
    assert "embed" in RerankTask.also_by
