"""Embedding through either client."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from panope.v1 import embed_service_pb2 as pb
from panope_backends import errors as tree
from panope_client import (
    Embeddings,
    InvalidArgumentError,
    InvalidInputError,
    InvalidResponseError,
    NotFoundError,
    SparseVector,
)
from panope_client.messages.embed import embeddings_of

MODEL = "vendor/fake"


async def test_vectors_come_as_one_array_in_the_order_of_the_texts(client: Any) -> None:
    answer = await client.embed(["aa", "b", "long c"], MODEL)

    assert answer.vectors.dtype == np.float32
    assert answer.vectors.shape == (3, 3)
    assert answer.vectors[:, 0].tolist() == [2.0, 1.0, 6.0]
    assert answer.token_counts == (4, 3, 8)
    assert answer.truncated_indices == (2,)
    assert (answer.model, answer.dimensions, len(answer)) == (MODEL, 3, 3)


async def test_vectors_are_a_view_of_the_answer_and_cannot_be_changed(client: Any) -> None:
    answer = await client.embed(["a"], MODEL)

    assert not answer.vectors.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        answer.vectors[0, 0] = 1


async def test_token_ids_are_sent_as_ids(client: Any, fake: Any) -> None:
    await client.embed([[101, 7, 102], np.array([5, 6])], MODEL)

    assert [list(sequence.ids) for sequence in fake.requests[0].token_sequences] == [[101, 7, 102], [5, 6]]
    assert not fake.requests[0].texts


async def test_options_that_are_left_out_stay_unset(client: Any, fake: Any) -> None:
    await client.embed(["a"], MODEL)

    request = fake.requests[0]
    assert request.truncation == pb.TRUNCATION_REFUSE
    assert not any(request.HasField(name) for name in ("normalize", "dimensions", "prompt_name"))


async def test_options_reach_the_server_falsy_ones_too(client: Any, fake: Any) -> None:
    await client.embed(["a"], MODEL, truncation="start", normalize=False, dimensions=0, prompt_name="")

    request = fake.requests[0]
    assert request.truncation == pb.TRUNCATION_START
    assert all(request.HasField(name) for name in ("normalize", "dimensions", "prompt_name"))
    assert (request.normalize, request.dimensions, request.prompt_name) == (False, 0, "")


async def test_a_key_of_the_client_goes_with_every_call(connect: Callable[..., Any], server: Any, fake: Any) -> None:
    client = connect(api_key="panope_id_secret_sum")

    await client.embed(["a"], MODEL)
    await client.devices()

    assert [sent["authorization"] for sent in fake.metadata] == ["Bearer panope_id_secret_sum"] * 2


async def test_metadata_of_the_client_goes_with_every_call(connect: Callable[..., Any], server: Any, fake: Any) -> None:
    client = connect(metadata=[("authorization", "Bearer k")])

    await client.embed(["a"], MODEL)
    await client.devices()

    assert [sent["authorization"] for sent in fake.metadata] == ["Bearer k"] * 2


@pytest.mark.parametrize(
    ("batch", "options", "words"),
    [
        ("one text", {}, "put a single text into a list"),
        (["a", [1]], {}, "either texts or token ids"),
        (["a"], {"normalise": True}, "unknown option `normalise`; known are truncation, normalize"),
    ],
)
async def test_a_mistaken_argument_is_a_type_error_that_says_what_is_right(
    client: Any, fake: Any, batch: Any, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(TypeError, match=words):
        await client.embed(batch, MODEL, **options)
    assert not fake.requests


async def test_an_unknown_truncation_is_refused_before_the_call(client: Any, fake: Any) -> None:
    with pytest.raises(ValueError, match=r"one of refuse, end, start; got 'left'"):
        await client.embed(["a"], MODEL, truncation="left")
    assert not fake.requests


def test_vectors_that_do_not_fit_their_count_are_refused() -> None:
    with pytest.raises(InvalidResponseError, match="2 vectors of 3 values cannot have 20 bytes"):
        embeddings_of(pb.EmbedResponse(vectors=bytes(20), count=2, dimensions=3))


async def test_many_texts_are_embedded_in_batches_and_joined_in_order(client: Any, fake: Any) -> None:
    texts = ["long" if number % 5 == 0 else "x" * number for number in range(23)]

    answer = await client.embed_many(iter(texts), MODEL, batch_size=4)

    assert answer.vectors[:, 0].tolist() == [float(len(text)) for text in texts]
    assert answer.token_counts == tuple(len(text) + 2 for text in texts)
    assert answer.truncated_indices == (0, 5, 10, 15, 20)
    assert sorted(len(request.texts) for request in fake.requests) == [3, 4, 4, 4, 4, 4]


async def test_many_texts_keep_as_many_calls_in_flight_as_asked_and_no_more(client: Any, fake: Any) -> None:
    fake.hold.clear()
    many = asyncio.create_task(client.embed_many(map(str, range(12)), MODEL, batch_size=2, concurrency=3))

    for _ in range(3):
        await fake.started.acquire()
    assert fake.started.locked()
    assert len(fake.requests) == 3
    fake.hold.set()

    assert len(await many) == 12


async def test_one_failed_batch_fails_many_texts_and_stops_the_rest(client: Any, fake: Any) -> None:
    fake.failures.append(tree.NotFoundError("model `vendor/fake` does not exist", reason="model_not_found"))

    with pytest.raises(NotFoundError):
        await client.embed_many(map(str, range(1000)), MODEL, batch_size=1, concurrency=1)
    assert len(fake.requests) < 1000


async def test_no_texts_at_all_are_a_value_error(client: Any) -> None:
    with pytest.raises(ValueError, match="`texts` must hold at least one text"):
        await client.embed_many([], MODEL)


async def test_a_batch_size_below_one_is_a_value_error(client: Any) -> None:
    with pytest.raises(ValueError, match="`batch_size` must be an integer of at least 1"):
        await client.embed_many(["a"], MODEL, batch_size=0)


async def test_a_batch_over_the_servers_limit_is_the_servers_error_not_split_in_secret(client: Any, fake: Any) -> None:
    fake.failures.append(tree.InvalidInputError("5000 texts are more than 2048", field="texts"))

    with pytest.raises(InvalidInputError) as caught:
        await client.embed(list(itertools.repeat("a", 5000)), MODEL)

    assert caught.value.field == "texts"
    assert [len(request.texts) for request in fake.requests] == [5000]


async def test_tokens_carry_ids_texts_and_offsets(client: Any, fake: Any) -> None:
    answer = await client.tokenize(["hé", ""], MODEL, add_special_tokens=False)

    assert answer[0].ids == (104, 233)
    assert answer[0].tokens == ("h", "é")
    assert answer[0].offsets == ((0, 1), (1, 2))
    assert answer[1].ids == ()
    assert fake.requests[0].HasField("add_special_tokens")


async def test_ids_are_joined_into_texts(client: Any, fake: Any) -> None:
    assert await client.detokenize([[104, 233], []], MODEL, skip_special_tokens=False) == ["hé", ""]
    assert fake.requests[0].HasField("skip_special_tokens")


def test_sparse_vectors_have_no_dense_ones_beside_them() -> None:
    sparse = [pb.SparseVector(indices=[7, 99], values=[0.5, 1.25]), pb.SparseVector()]
    found = embeddings_of(pb.EmbedResponse(dimensions=100, token_counts=[3, 4], sparse_vectors=sparse))
    assert (len(found), found.dimensions, found.vectors.shape) == (2, 100, (0, 100))
    assert found.sparse_vectors == (SparseVector((7, 99), (0.5, 1.25)), SparseVector((), ()))
    assert Embeddings.joined([found, found]).sparse_vectors == found.sparse_vectors * 2


def test_vectors_of_tokens_are_told_apart_by_texts() -> None:
    vectors = np.arange(6, dtype="<f4")
    found = embeddings_of(
        pb.EmbedResponse(vectors=vectors.tobytes(), count=3, dimensions=2, token_counts=[2, 1], vector_counts=[2, 1])
    )
    assert len(found) == 2
    assert [each.tolist() for each in found.multi_vectors] == [[[0, 1], [2, 3]], [[4, 5]]]
    assert [len(each) for each in Embeddings.joined([found, found]).multi_vectors] == [2, 1, 2, 1]


async def test_what_texts_are_for_goes_along(client: Any, fake: Any) -> None:
    await client.embed(["a"], MODEL, purpose="query")
    assert fake.requests[0].purpose == pb.EMBED_PURPOSE_QUERY
    with pytest.raises(InvalidArgumentError, match="purpose"):
        await client.embed(["a"], MODEL, purpose="other")
