"""Named tensors in and out, by gRPC and REST."""

from __future__ import annotations

import numpy as np
import pytest

from panope_client import Client, InvalidInputError

IDS = [[101, 7592, 102]]


def arrays() -> dict[str, np.ndarray]:
    ids = np.array(IDS, np.int64)
    return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}


def test_named_tensors_give_the_models_own_outputs(live_server) -> None:
    with Client(live_server.grpc_address) as client:
        outputs = client.infer(arrays(), model=live_server.model)
    assert outputs["last_hidden_state"].shape == (1, 3, 384)
    assert np.isfinite(outputs["last_hidden_state"]).all()


def test_rest_and_grpc_give_the_same_tensors(live_server) -> None:
    with Client(live_server.grpc_address) as client:
        expected = client.infer(arrays(), model=live_server.model)["last_hidden_state"]
    inputs = [
        {"name": name, "datatype": "INT64", "shape": [1, 3], "data": array.ravel().tolist()}
        for name, array in arrays().items()
    ]
    reply = live_server.post(f"/v1/infer/{live_server.model}", {"inputs": inputs})
    assert reply.status == 200, reply.body
    (output,) = reply.json["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("last_hidden_state", "FP32", [1, 3, 384])
    assert np.array_equal(np.array(output["data"], np.float32).reshape(1, 3, 384), expected)


def shaped(name: str, array: np.ndarray) -> dict[str, np.ndarray]:
    """Tensors of two texts of 16 tokens, but for one of another shape or values."""
    ids = np.full((2, 16), 1000)
    usual = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    return usual | {name: array}


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("attention_mask", np.ones((1, 16), np.int64)),
        ("attention_mask", np.ones((2, 7), np.int64)),
        ("token_type_ids", np.zeros((2, 5), np.int64)),
        ("token_type_ids", np.full((2, 16), 2)),
        ("input_ids", np.full((2, 16), 30_522)),
        ("input_ids", np.full((2, 16), -1)),
    ],
)
def test_a_call_of_tensors_that_is_refused_leaves_the_next_call_right(
    live_server, name: str, array: np.ndarray
) -> None:
    with Client(live_server.grpc_address) as client:
        expected = client.embed(["hello"], model=live_server.model).vectors
        with pytest.raises(InvalidInputError) as refusal:
            client.infer(shaped(name, array), model=live_server.model)
        assert "inputs[" in str(refusal.value)
        np.testing.assert_allclose(client.embed(["hello"], model=live_server.model).vectors, expected, atol=1e-5)


def test_a_call_of_more_work_than_a_batch_is_refused_by_the_settings_name(live_server) -> None:
    ids = np.ones((300, 512), np.int64)
    tensors = {"input_ids": ids, "attention_mask": ids, "token_type_ids": np.zeros_like(ids)}
    with (
        Client(live_server.grpc_address) as client,
        pytest.raises(InvalidInputError, match=r"`workers\.max_batch_tokens` is 16,384"),
    ):
        client.infer(tensors, model=live_server.model)


@pytest.mark.parametrize("value", ["hello", ["hello", "there"], {"texts": ["hello"], "dimensions": 8}])
def test_a_tasks_value_gives_vectors(live_server, value: object) -> None:
    reply = live_server.post(f"/v1/infer/{live_server.model}", {"value": value})
    assert reply.status == 200, reply.body
    vectors = reply.json["value"]
    with Client(live_server.grpc_address) as client:
        assert np.allclose(client.infer_value(value, model=live_server.model), vectors, atol=1e-6)
    assert len(vectors) == (2 if isinstance(value, list) else 1)
