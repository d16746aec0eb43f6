"""Panope's own bodies."""

from __future__ import annotations

import base64
import math

import grpc
import numpy as np
import pytest

from panope.v1 import infer_service_pb2 as infer_pb
from panope.v1 import infer_service_pb2_grpc as infer_grpc
from panope_client import Client
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.tasks.tensors import NamedTensor

INFER = "/v1/infer/acme/tensors"
DTYPES = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
}


def tensor(**given: object) -> dict[str, object]:
    return {"name": "x", "datatype": "FP32", "shape": [2, 2], "data": [1, 2, 3.5, -4]} | given


@pytest.mark.parametrize("data", [[1, 2, 3.5, -4], [[1, 2], [3.5, -4]]])
def test_tensors_go_in_flat_or_nested_and_come_out_flat(edge, data):
    reply = edge.post(INFER, {"inputs": [tensor(data=data)]})
    assert reply.json == {
        "model": "acme/tensors",
        "outputs": [{"name": "x", "datatype": "FP32", "shape": [2, 2], "data": [1.0, 2.0, 3.5, -4.0]}],
    }


@pytest.mark.parametrize(("datatype", "dtype"), DTYPES.items())
def test_every_data_type_goes_through_as_numbers_and_as_bytes(edge, datatype, dtype):
    values = np.array([1, 0, 1], dtype)
    body = tensor(datatype=datatype, shape=[3], data=values.tolist())
    raw = {**body, "raw": base64.b64encode(values.tobytes()).decode()}
    del raw["data"]
    for given in (body, raw):
        reply = edge.post(INFER, {"inputs": [given], "outputs": ["x", {"name": "y", "raw": True}]})
        assert edge.instances.calls[-1].input.inputs == [NamedTensor("x", dtype, (3,), values.tobytes())]
        assert edge.instances.calls[-1].input.output_names == ["x", "y"]
        assert reply.json["outputs"] == [body]


def test_the_largest_integers_stay_exact(edge):
    data = [2**64 - 1, 2**53 + 1]
    reply = edge.post(INFER, {"inputs": [tensor(datatype="UINT64", shape=[2], data=data)]})
    assert reply.json["outputs"][0]["data"] == data


@pytest.mark.parametrize(("shape", "data"), [([], [7]), ([0], []), ([2, 0], [[], []]), ([1, 1, 1], [[[5]]])])
def test_scalars_and_empty_axes_are_tensors_too(edge, shape, data):
    reply = edge.post(INFER, {"inputs": [tensor(shape=shape, data=data)]})
    assert reply.status == 200
    assert reply.json["outputs"][0]["shape"] == shape


def test_an_output_may_be_asked_for_as_bytes(edge):
    reply = edge.post(INFER, {"inputs": [tensor()], "outputs": [{"name": "x", "raw": True}]})
    assert base64.b64decode(reply.json["outputs"][0]["raw"]) == np.array([1, 2, 3.5, -4], "<f4").tobytes()


def test_an_answer_of_many_megabytes_arrives_whole(edge):
    values = np.random.default_rng(0).standard_normal(1 << 20).astype("<f4")
    edge.instances.outputs = [NamedTensor("x", "float32", (1 << 20,), values.tobytes())]
    reply = edge.post(INFER, {"inputs": [tensor()]})
    assert len(reply.body) > 8 << 20
    assert np.array_equal(np.array(reply.json["outputs"][0]["data"], "<f4"), values)


def test_an_output_that_json_cannot_tell_is_refused_as_numbers_and_given_as_bytes(edge):
    data = np.array([np.nan, -np.inf], "<f4").tobytes()
    edge.instances.outputs = [NamedTensor("logits", "float32", (2,), data)]
    reply = edge.post(INFER, {"inputs": [tensor()]})
    assert reply.status == 400
    assert reply.error["message"] == (
        "output `logits` holds NaN or Infinity, which JSON has no numbers for; "
        'ask for its bytes by `"outputs": [{"name": "logits", "raw": true}]`'
    )
    reply = edge.post(INFER, {"inputs": [tensor()], "outputs": [{"name": "logits", "raw": True}]})
    assert base64.b64decode(reply.json["outputs"][0]["raw"]) == data


@pytest.mark.parametrize(
    ("given", "param", "message"),
    [
        ({"data": [1, 2, 3]}, "inputs[0].data", "`inputs[0].data` has 3 elements; shape [2, 2] has 4"),
        (
            {"data": [[1, 2], [3]]},
            "inputs[0].data",
            "`inputs[0].data` is not nested as `shape` says: axis 1 must have lists of 2",
        ),
        (
            {"data": [[1, 2], 3, 4]},
            "inputs[0].data",
            "`inputs[0].data` is not nested as `shape` says: axis 0 must have lists of 2",
        ),
        ({"data": [1, 2, 3, "4"]}, "inputs[0].data", "`inputs[0].data` must hold numbers alone for FP32"),
        ({"data": [1, 2, 3, None]}, "inputs[0].data", "`inputs[0].data` must hold numbers alone for FP32"),
        ({"data": [1, 2, 3, True]}, "inputs[0].data", "`inputs[0].data` must hold numbers alone for FP32"),
        ({"datatype": "INT64"}, "inputs[0].data", "`inputs[0].data` must hold integers alone for INT64"),
        ({"datatype": "BOOL"}, "inputs[0].data", "`inputs[0].data` must hold true or false alone for BOOL"),
        (
            {"datatype": "INT8", "data": [1, 2, 3, 128]},
            "inputs[0].data",
            "`inputs[0].data` has a value that INT8 cannot hold",
        ),
        (
            {"datatype": "UINT8", "data": [1, 2, 3, -1]},
            "inputs[0].data",
            "`inputs[0].data` has a value that UINT8 cannot hold",
        ),
        (
            {"datatype": "FP16", "data": [1, 2, 3, 70000]},
            "inputs[0].data",
            "`inputs[0].data` has a value that FP16 cannot hold",
        ),
        ({"data": [1, 2, 3, 10**400]}, "inputs[0].data", None),
        ({"shape": [2, -2]}, "inputs[0].shape[1]", "`inputs[0].shape[1]` must be an integer >= 0"),
        ({"shape": [1] * 9}, "inputs[0].shape", "`inputs[0].shape` must be a list of length <= 8"),
        ({"shape": [2**41]}, "inputs[0].shape[0]", None),
        ({"shape": [2.0, 2.0]}, "inputs[0].shape[0]", "`inputs[0].shape[0]` must be an integer, got a number"),
        ({"datatype": "BYTES"}, "inputs[0].data", "`inputs[0].data` must hold texts alone for BYTES"),
        ({"datatype": "STRING"}, "inputs[0].datatype", None),
        ({"name": ""}, "inputs[0].name", None),
        ({"dtype": "FP32"}, "inputs[0].dtype", "unknown field `dtype` in `inputs[0]`; did you mean `datatype`?"),
        ({"data": None}, "inputs[0]", "`inputs[0]` needs one of `data` and `raw`"),
        ({"raw": "AAAA"}, "inputs[0]", "`inputs[0]` needs one of `data` and `raw`"),
        ({"data": None, "raw": "?"}, "inputs[0].raw", "`inputs[0].raw` is not base64"),
        (
            {"data": None, "raw": "AAAA"},
            "inputs[0].data",
            "`inputs[0].data` has 3 bytes; float32 of shape [2, 2] has 16",
        ),
    ],
)
def test_a_tensor_that_does_not_fit_is_refused_by_name(edge, given, param, message):
    reply = edge.post(INFER, {"inputs": [tensor(**given)]})
    assert reply.status == 400
    assert reply.error["param"] == param, reply.error
    assert message is None or reply.error["message"] == message
    assert not edge.instances.calls


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "inputs"),
        ({"inputs": [], "value": "a"}, "inputs"),
        ({"inputs": []}, "inputs"),
        ({"inputs": None}, "inputs"),
        ({"inputs": [tensor(), tensor()]}, "inputs"),
        ({"inputs": [tensor()], "outputs": ["x", "x"]}, "outputs"),
        ({"inputs": [tensor()], "outputs": [{"raw": True}]}, "outputs[0].name"),
        ({"value": "a", "outputs": ["x"]}, "outputs"),
        ({"inputs": [tensor()], "task": "embed"}, "task"),
        ({"value": "a"}, "value"),
        ({"value": "a", "task": ""}, "task"),
        ({"value": "a", "task": "sing"}, "task"),
        ({"inputs": [tensor()], "id": "1"}, "id"),
    ],
)
def test_a_body_that_does_not_fit_is_refused_by_name(edge, body, param):
    reply = edge.post(INFER, body)
    assert (reply.status, reply.error["param"]) == (400, param)
    assert not edge.instances.calls


@pytest.mark.parametrize(
    ("value", "texts"),
    [("abc", ["abc"]), (["abc", "d"], ["abc", "d"]), ({"texts": ["abc"], "dimensions": 2}, ["abc"])],
)
def test_a_value_is_embedded(edge, value, texts):
    reply = edge.post("/v1/infer/acme/embedder", {"value": value})
    assert reply.json["model"] == "acme/embedder"
    assert reply.json["value"][0][:2] == [0.3, 0.1]
    assert edge.instances.calls[-1].input.texts == texts


def test_a_value_may_be_for_another_task_than_the_model_s_own(edge):
    reply = edge.post("/v1/infer/acme/embedder", {"value": ["ab c"], "task": "tokenize"})
    (told,) = reply.json["value"]
    assert told == {
        "ids": [101, 2, 1, 102],
        "tokens": ["[CLS]", "ab", "c", "[SEP]"],
        "starts": [0, 0, 3, 0],
        "ends": [0, 2, 4, 0],
    }
    reply = edge.post("/v1/infer/acme/embedder", {"value": [[1, 2], [3]], "task": "detokenize"})
    assert reply.json["value"] == ["w1 w2", "w3"]


@pytest.mark.parametrize(("value", "task"), [("abc", ""), ({"texts": ["abc"]}, "embed"), ("abc", "tokenize")])
def test_a_value_is_run_alike_over_grpc(edge, value, task):
    body = {"value": value} | ({"task": task} if task else {})
    over_rest = edge.post("/v1/infer/acme/embedder", body).json["value"]
    with Client(f"127.0.0.1:{edge.grpc_port}") as client:
        over_grpc = client.infer_value(value, "acme/embedder", task=task)
    if task == "tokenize":
        assert over_grpc == over_rest
    else:
        assert np.allclose(over_grpc, over_rest, rtol=1e-6)


def test_over_grpc_a_task_without_a_value_is_refused_by_name(edge):
    request = infer_pb.InferRequest(model="acme/tensors", task="embed")
    with grpc.insecure_channel(f"127.0.0.1:{edge.grpc_port}") as channel, pytest.raises(grpc.RpcError) as raised:
        infer_grpc.InferServiceStub(channel).Infer(request)
    assert raised.value.details() == "`task` goes with `value` alone"


@pytest.mark.parametrize(
    ("value", "param", "message"),
    [
        ("", "value", "`value` is empty"),
        (["a", ""], "value[1]", "`value[1]` is empty"),
        ([], "value", "`value` is empty; give at least one"),
        ({"texts": [""]}, "value.texts[0]", "`value.texts[0]` is empty"),
        ({"texts": ["a"], "dimension": 2}, "value.dimension", None),
        ({"texts": ["a"], "dimensions": 2.5}, "value.dimensions", "`value.dimensions` must be a whole number"),
        ({"texts": ["a"], "dimensions": 0}, "value.dimensions", None),
        ({"texts": ["a"], "truncation": "middle"}, "value.truncation", None),
        ({"dimensions": 2}, "value.texts", "`value.texts` is missing"),
        (None, "value", None),
        (5, "value", None),
        (["a", 5], "value[1]", "`value[1]` must be a string, got an integer"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(edge, value, param, message):
    reply = edge.post("/v1/infer/acme/embedder", {"value": value})
    assert (reply.status, reply.error["param"]) == (400, param), reply.error
    assert message is None or reply.error["message"] == message


def test_a_value_that_is_nested_too_deeply_is_refused(edge):
    reply = edge.post("/v1/infer/acme/embedder", b'{"value":' + b"[" * 5000 + b"]" * 5000 + b"}")
    assert (reply.status, reply.error["message"]) == (400, "the body is nested too deeply")


def test_info_tells_everything_with_sizes_as_numbers(edge):
    told = edge.get("/v1/models/acme/embedder/info").json
    assert told["created_at"] == "2026-01-02T03:04:05Z"
    assert told["variants"] == [
        {
            "digest": "sha256:ab",
            "format": "openvino",
            "precision": "bf16",
            "size_bytes": 1 << 40,
            "is_local": True,
            "missing_bytes": 0,
            "memory_bytes": 0,
            "parameter_count": 0,
            "derived_from": None,
            "engine_version": "",
            "base_models": [],
            "pin": None,
            "profiles": [],
        }
    ]
    assert told["instances"][0]["resident_bytes"] == 1 << 33
    assert (told["instances"][0]["format"], told["instances"][0]["weights_precision"]) == ("openvino", "int8")
    assert told["embed"]["prompt_names"] == ["query"]
    assert told["embed"]["batching"] == "any"
    assert told["state"] == "serving"


def test_hardware_tells_devices(edge):
    told = edge.get("/v1/hardware").json
    assert told["devices"][0]["backend"] == "openvino"
    assert told["devices"][0]["memory_bytes"] == 1 << 40
    usage = {
        "utilization": 0.25,
        "memory_used_bytes": 1 << 30,
        "memory_total_bytes": 8 << 30,
        "models_memory_bytes": None,
    }
    assert told["devices"][0]["usage"] == usage


def test_models_are_loaded_and_unloaded(edge):
    reply = edge.post("/models/unload", {"model": "acme/embedder"})
    assert (reply.json["name"], reply.json["state"]) == ("acme/embedder", "unloaded")
    constraints = {"backend": "openvino", "precision": "bf16", "variant": "abababab", "instances": 2}
    reply = edge.post("/models/load", {"model": "acme/embedder", **constraints, "keep_alive": "1h30m"})
    assert reply.json["state"] == "serving"
    for written, seconds in ((-1, math.inf), (0, 0.0), (2.5, 2.5), ("", None)):
        edge.post("/models/load", {"model": "acme/embedder", "keep_alive": written})
        assert edge.models.loaded.pop() == ("acme/embedder", LoadConstraints(), seconds)
    assert edge.models.loaded == [("acme/embedder", LoadConstraints("openvino", "bf16", "abababab", 2), 5400.0)]


@pytest.mark.parametrize("written", ["soon", "5 m", "5m-1h", "1e3", "--1", "9" * 400, "m"])
def test_a_time_that_is_none_is_refused_by_name_in_a_body_and_in_a_header(edge, written):
    reply = edge.post("/models/load", {"model": "acme/embedder", "keep_alive": written})
    assert (reply.status, reply.error["param"]) == (400, "keep_alive")
    reply = edge.post(
        "/v1/embeddings", {"model": "acme/embedder", "input": "a"}, headers={"x-panope-keep-alive": written}
    )
    assert (reply.status, reply.error["param"]) == (400, "x-panope-keep-alive")
    assert "such as `90s`, `5m` or `1h30m`" in reply.error["message"]


def test_a_backend_that_is_not_there_is_a_precondition(edge):
    reply = edge.post("/models/load", {"model": "acme/embedder", "backend": "cuda"})
    assert (reply.status, reply.error["param"], reply.error["code"]) == (400, "backend", "failed_precondition")
