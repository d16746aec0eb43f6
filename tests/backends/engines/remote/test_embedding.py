"""Vectors of servers elsewhere, by OpenAI's protocol and by that of Text Embeddings Inference."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest

from panope.worker.v1 import embed_pb2 as messages
from panope_backends.api import EmbeddingRequest
from panope_backends.errors import AvailabilityError, InvalidInputError
from panope_backends.tasks.embed.by_engine import EngineRequests, engine_task
from scripted_server import Script, http

VECTORS = [[0.6, 0.8, 0.0], [0.0, 0.6, 0.8]]


def openai(vectors: Any, indices: Any = (0, 1), *, usage: int = 7) -> bytes:
    data = [{"index": index, "embedding": vector} for index, vector in zip(indices, vectors, strict=True)]
    return http(200, json.dumps({"data": data, "usage": {"prompt_tokens": usage}}).encode())


def base64_of(vector: list[float]) -> str:
    return base64.b64encode(np.array(vector, "<f4").tobytes()).decode()


@pytest.mark.parametrize("as_text", [False, True])
def test_openais_vectors_come_in_the_order_of_the_texts(script: Script, load: Any, as_text: bool) -> None:
    told = [base64_of(vector) for vector in VECTORS] if as_text else VECTORS
    script.reply("/embeddings", openai(told[::-1], (1, 0)))
    found = load(task="embed").embed(EmbeddingRequest(texts=("a", "b"))).result()
    np.testing.assert_allclose(found.vectors, VECTORS, rtol=1e-6)
    assert found.tokens == 7
    sent = json.loads(script.of("/embeddings")[0].body)
    assert (sent["model"], sent["input"]) == ("m", ["a", "b"])


@pytest.mark.parametrize(
    "reply",
    [
        openai(VECTORS[:1], (0,)),
        openai(VECTORS, (0, 0)),
        openai(VECTORS, (0, 5)),
        openai([VECTORS[0], [1.0]]),
        openai([[], []]),
        openai([VECTORS[0], [1.0, float("inf"), 0.0]]),
        openai([VECTORS[0], [1e300, 0.0, 0.0]]),
        openai(["AAAA", "AAAA"]),
        openai(["not base64!", ""]),
        openai([base64_of([float("nan"), 0, 0]), base64_of([0, 0, 0])]),
        http(200, b"{}"),
        http(200, b"[[1.0]]"),
    ],
)
def test_vectors_that_are_none_are_not_passed_on(script: Script, load: Any, reply: bytes) -> None:
    script.reply("/embeddings", reply)
    with pytest.raises(AvailabilityError):
        load(task="embed").embed(EmbeddingRequest(texts=("a", "b"))).result()


@pytest.fixture
def tei(script: Script, load: Any) -> Any:
    script.reply("/info", http(200, b'{"max_input_length": 512, "max_client_batch_size": 2}'))
    return load("tei")


def test_a_call_larger_than_teis_own_limit_goes_in_parts(script: Script, tei: Any) -> None:
    def reply(rows: Any) -> bytes:
        return http(200, json.dumps(rows).encode(), "x-compute-tokens: 4")

    script.reply("/embed", reply(VECTORS), reply(VECTORS), reply(VECTORS[:1]))
    found = tei.embed(EmbeddingRequest(texts=tuple("abcd"), truncation="start", normalize=False)).result()
    assert found.vectors.shape == (4, 3)
    assert found.tokens == 8
    sent = json.loads(script.of("/embed")[0].body)
    assert (sent["truncate"], sent["truncation_direction"], sent["normalize"]) == (True, "Left", False)
    assert sorted(text for asked in script.of("/embed") for text in json.loads(asked.body)["inputs"]) == list("abcd")


def test_teis_refusal_of_a_text_that_is_too_long_names_the_texts(script: Script, tei: Any) -> None:
    told = {"error": "`inputs` must have less than 512 tokens. Given: 600", "error_type": "Validation"}
    script.reply("/embed", http(413, json.dumps(told).encode()))
    with pytest.raises(InvalidInputError) as refusal:
        tei.embed(EmbeddingRequest(texts=("a",))).result()
    assert (refusal.value.field, refusal.value.reason) == ("texts", "context_length_exceeded")


def run(requests: EngineRequests, **fields: Any) -> messages.EmbedOutput:
    job = requests.prepare(messages.EmbedInput(**{"truncation": "refuse", **fields}).SerializeToString())
    output, is_last = job.step()
    assert is_last
    return messages.EmbedOutput.FromString(output)


def test_the_task_cuts_and_scales_vectors_and_parts_the_tokens(script: Script, load: Any) -> None:
    script.reply("/embeddings", openai(VECTORS[:1], (0,)), openai(VECTORS))
    model = load(task="embed")
    task = engine_task(model)
    facts = messages.EmbedFacts.FromString(task.facts)
    assert (facts.dimensions, facts.normalize) == (3, True)
    output = messages.EmbedOutput.FromString(
        task.requests["embed"](
            messages.EmbedInput(texts=["a", "b"], dimensions=2, truncation="refuse").SerializeToString()
        ).step()[0]
    )
    rows = np.frombuffer(output.vectors, "<f4").reshape(2, 2)
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0.0, 1.0]], rtol=1e-6)
    assert list(output.token_counts) == [4, 3]


def test_what_the_protocol_does_not_have_is_refused_by_name(script: Script, load: Any) -> None:
    script.reply("/embeddings", openai(VECTORS[:1], (0,)))
    requests = EngineRequests(load(task="embed"))
    for field, changes in {
        "truncation": {"truncation": "end"},
        "normalize": {"normalize": False},
        "prompt_name": {"prompt_name": "query"},
        "purpose": {"purpose": "query"},
        "dimensions": {"dimensions": 4},
    }.items():
        with pytest.raises(InvalidInputError) as refusal:
            run(requests, texts=["a"], **changes)
        assert refusal.value.field == field
    assert run(requests, texts=["a"], normalize=True).dimensions == 3
