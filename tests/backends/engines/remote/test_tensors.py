"""Named arrays by KServe's protocol v2, as JSON and with bytes behind it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from panope_backends.errors import AvailabilityError, PanopeError, PreconditionError
from scripted_server import Script, http

INFER = "/v2/models/m/infer"
METADATA = {
    "name": "m",
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
    "outputs": [{"name": "y", "datatype": "INT64", "shape": [-1]}],
}
X = {"x": np.array([[1.5, 2.0], [3.0, 4.0]], np.float32)}


def document(value: Any, *headers: str) -> bytes:
    return http(200, json.dumps(value).encode(), *headers)


def output(**changes: Any) -> dict[str, Any]:
    return {"outputs": [{"name": "y", "datatype": "INT64", "shape": [2], "data": [5, 6]} | changes]}


def start(script: Script, load: Any, *, binary: bool, metadata: Any = METADATA) -> Any:
    script.reply("/v2/models/m", document(metadata))
    script.reply("/v2", document({"name": "triton", "extensions": ["binary_tensor_data"] if binary else []}))
    return load("kserve")


def test_arrays_go_and_come_as_json(script: Script, load: Any) -> None:
    model = start(script, load, binary=False)
    assert [(spec.name, spec.dtype, spec.shape) for spec in model.inputs] == [("x", "float32", (-1, 2))]
    script.reply(INFER, document(output()))
    np.testing.assert_array_equal(model.run(X)["y"], [5, 6])
    sent = json.loads(script.of(INFER)[0].body)
    assert sent["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [2, 2], "data": [1.5, 2.0, 3.0, 4.0]}]


def test_arrays_go_and_come_as_bytes_where_the_server_knows_them(script: Script, load: Any) -> None:
    model = start(script, load, binary=True)
    values = np.array([5, -6], "<i8")
    head = json.dumps(output(data=None, parameters={"binary_data_size": 16})).encode()
    script.reply(INFER, http(200, head + values.tobytes(), f"Inference-Header-Content-Length: {len(head)}"))
    np.testing.assert_array_equal(model.run(X)["y"], values)
    asked = script.of(INFER)[0]
    length = next(int(line.split(":")[1]) for line in asked.head.splitlines() if line.startswith("inference-header"))
    assert asked.body[length:] == X["x"].tobytes()
    assert "content-type: application/octet-stream" in asked.head


def test_a_server_that_tells_nothing_of_itself_gets_json(script: Script, load: Any) -> None:
    script.reply("/v2/models/m", document(METADATA))
    script.reply(INFER, document(output()))
    np.testing.assert_array_equal(load("kserve").run(X)["y"], [5, 6])


@pytest.mark.parametrize(
    "told",
    [
        {"outputs": []},
        output(name="z"),
        output(datatype="FP32"),
        output(shape=[3]),
        output(shape=[2, 1]),
        output(shape=[-2], data=[]),
        output(data=[5.5, 6]),
        output(data=[True, False]),
        output(data=["5", "6"]),
        output(data={"a": 1}),
        output(data=[1 << 70, 1]),
        output(data=None),
        output(data=None, parameters={"binary_data_size": 16}),
        output(data=None, parameters={"binary_data_size": -1}),
        {"outputs": output()["outputs"] * 2},
        [],
    ],
)
def test_arrays_that_are_none_are_not_passed_on(script: Script, load: Any, told: Any) -> None:
    model = start(script, load, binary=False)
    script.reply(INFER, document(told))
    with pytest.raises(AvailabilityError):
        model.run(X)


@pytest.mark.parametrize(
    "metadata",
    [
        METADATA | {"inputs": [{"name": "x", "datatype": "BYTES", "shape": [-1]}]},
        METADATA | {"outputs": METADATA["outputs"] * 2},  # type: ignore[operator]  # both are set
        METADATA | {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-5]}]},
        {"inputs": 7},
    ],
)
def test_a_model_whose_tensors_are_not_served_is_not_loaded(script: Script, load: Any, metadata: Any) -> None:
    with pytest.raises(PanopeError):
        start(script, load, binary=False, metadata=metadata)


def test_what_json_cannot_hold_is_refused_by_its_name(script: Script, load: Any) -> None:
    model = start(script, load, binary=False)
    with pytest.raises(PreconditionError, match="`x`"):
        model.run({"x": np.array([[np.nan, 1]], np.float32)})


def test_a_model_that_the_server_does_not_have_is_not_loaded(load: Any) -> None:
    with pytest.raises(PreconditionError):
        load("kserve")
