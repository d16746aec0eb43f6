"""The Python client against a live server, where a fake could be wrong in the same way as the client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from panope_client import Client, Health, InvalidInputError, Model, NotFoundError

TEXTS = ["hello", "good morning, everyone", "a third text that is somewhat longer than the two before it"]


@pytest.fixture
def live(live_server: Any) -> Iterator[Client]:
    with Client(live_server.grpc_address) as client:
        yield client


def test_a_stream_gives_the_vectors_of_single_calls_in_order(live: Client, live_server: Any) -> None:
    streamed = list(live.embed_stream(([text] for text in TEXTS), live_server.model))

    for text, answer in zip(TEXTS, streamed, strict=True):
        alone = live.embed([text], live_server.model).vectors
        assert np.allclose(answer.vectors, alone, atol=0.02)


def test_a_stream_goes_on_after_a_bad_batch(live: Client, live_server: Any) -> None:
    batches = [["good"], [], ["good again"]]

    answers = list(live.embed_stream(batches, live_server.model, return_errors=True))

    assert isinstance(answers[1], InvalidInputError)
    assert answers[1].field
    assert [type(answer).__name__ for answer in (answers[0], answers[2])] == ["Embeddings", "Embeddings"]


def test_many_texts_are_the_texts_one_by_one(live: Client, live_server: Any) -> None:
    many = live.embed_many(TEXTS * 7, live_server.model, batch_size=4)

    alone = np.concatenate([live.embed([text], live_server.model).vectors for text in TEXTS])
    assert np.allclose(many.vectors, np.tile(alone, (7, 1)), atol=0.02)


def test_tokens_go_to_ids_and_back(live: Client, live_server: Any) -> None:
    tokens = live.tokenize(["hello world"], live_server.model, add_special_tokens=False)[0]

    assert [("hello world"[start:end]) for start, end in tokens.offsets] == ["hello", "world"]
    assert live.detokenize([tokens.ids], live_server.model) == ["hello world"]


def test_a_task_value_gives_the_vectors_of_embed(live: Client, live_server: Any) -> None:
    value = live.infer_value({"texts": TEXTS, "normalize": True}, live_server.model)

    assert np.allclose(value, live.embed(TEXTS, live_server.model, normalize=True).vectors, atol=0.02)


def test_a_model_tells_the_tensors_that_infer_takes(live: Client, live_server: Any) -> None:
    specs = live.load(live_server.model).inputs
    tokens = live.tokenize(["hello"], live_server.model)[0]
    row = np.array([tokens.ids], np.int64)
    inputs = {spec.name: np.zeros_like(row) if "type" in spec.name else row for spec in specs}
    inputs["attention_mask"] = np.ones_like(row)

    outputs = live.infer(inputs, live_server.model)

    assert all(np.isfinite(output).all() for output in outputs.values())
    assert {spec.name for spec in live.model(live_server.model).outputs} == set(outputs)


def test_the_server_tells_its_models_and_devices(live: Client, live_server: Any) -> None:
    live.wait_ready(60, model=live_server.model)

    assert live.health(live_server.model) is Health.SERVING
    assert live.model(live_server.model).state == Model.STATE_SERVING
    assert live_server.model in [model.name for model in live.models(task="embed")]
    assert any(device.available for device in live.devices())


def test_an_unknown_model_has_its_reason(live: Client) -> None:
    with pytest.raises(NotFoundError) as caught:
        live.embed(["a"], "vendor/does-not-exist")

    assert caught.value.reason == "model_not_found"


def test_a_request_over_the_limit_is_invalid_input(live: Client, live_server: Any) -> None:
    with pytest.raises(InvalidInputError) as caught:
        live.embed(["x" * (17 << 20)], live_server.model)

    assert caught.value.reason == "request_too_large"
