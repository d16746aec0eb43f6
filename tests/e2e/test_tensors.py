"""Named tensors in and out, by gRPC and REST."""

from __future__ import annotations

import numpy as np
import pytest

from panope_client import Client

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


@pytest.mark.parametrize("value", ["hello", ["hello", "there"], {"texts": ["hello"], "dimensions": 8}])
def test_a_tasks_value_gives_vectors(live_server, value: object) -> None:
    reply = live_server.post(f"/v1/infer/{live_server.model}", {"value": value})
    assert reply.status == 200, reply.body
    vectors = reply.json["value"]
    with Client(live_server.grpc_address) as client:
        assert np.allclose(client.infer_value(value, model=live_server.model), vectors, atol=1e-6)
    assert len(vectors) == (2 if isinstance(value, list) else 1)
