"""Each kind of bad input, with its code, HTTP status and words, on gRPC and on REST."""

from __future__ import annotations

import json

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from openai import APIStatusError, OpenAI

from panope.v1 import embed_service_pb2 as pb
from panope.v1 import infer_service_pb2 as infer_pb
from panope.v1 import tensor_pb2

#: A field of a message that no version of it has.
OF_NOBODY = b"\xfa\x3f\x03abc"
INVALID = grpc.StatusCode.INVALID_ARGUMENT


def refusal(call) -> tuple[grpc.StatusCode, str, str]:
    """Code, message and field of a refused gRPC call."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    error = caught.value
    field = ""
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        bad = error_details_pb2.BadRequest()
        if detail.Unpack(bad):
            field = bad.field_violations[0].field
    return error.code(), error.details(), field


@pytest.mark.parametrize(
    ("request_", "code", "field", "said"),
    [
        (pb.EmbedRequest(texts=["a"]), INVALID, "model", "is empty"),
        (pb.EmbedRequest(model="acme/none", texts=["a"]), grpc.StatusCode.NOT_FOUND, "model", "does not exist"),
        (pb.EmbedRequest(model="../../etc/passwd", texts=["a"]), grpc.StatusCode.NOT_FOUND, "model", "does not exist"),
        (pb.EmbedRequest(model="{model}"), INVALID, "texts", "at least one"),
        (pb.EmbedRequest.FromString(b"\x0a\x07{model}" + OF_NOBODY), INVALID, "texts", "at least one"),
        (pb.EmbedRequest(model="{model}", texts=["a", ""]), INVALID, "texts[1]", "is empty"),
        (pb.EmbedRequest(model="{model}", texts=["a"] * 5000), INVALID, "texts", "5,000 items; the limit is 2,048"),
        (pb.EmbedRequest(model="{model}", texts=["a" * 10_000_000]), INVALID, "texts[0]", "10,000,000 bytes"),
        (pb.EmbedRequest(model="{model}", texts=["word " * 9999]), INVALID, "texts[0]", "256"),
        (pb.EmbedRequest(model="{model}", texts=["a"], truncation=9), INVALID, "truncation", "9"),
        (pb.EmbedRequest(model="{model}", texts=["a"], dimensions=0), INVALID, "dimensions", "at least 1"),
        (pb.EmbedRequest(model="{model}", texts=["a"], dimensions=385), INVALID, "dimensions", "384"),
        (pb.EmbedRequest(model="{model}", texts=["a"], prompt_name="none"), INVALID, "prompt_name", "none"),
        (
            pb.EmbedRequest(model="{model}", token_sequences=[pb.TokenSequence(ids=[40_000])]),
            INVALID,
            "token_sequences[0]",
            "40,000",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_bad_embed_request_is_refused_by_field_over_grpc(live_server, stubs, request_, code, field, said) -> None:
    request_.model = request_.model.replace("{model}", live_server.model)
    told_code, message, told_field = refusal(lambda: stubs(live_server.grpc_address).embed.Embed(request_))
    assert (told_code, told_field) == (code, field), message
    assert said in message


def tensor(**changes: object) -> tensor_pb2.Tensor:
    parts = {"name": "input_ids", "data_type": tensor_pb2.DATA_TYPE_INT64, "shape": [1, 2], "data": bytes(16)}
    return tensor_pb2.Tensor(**{**parts, **changes})


@pytest.mark.parametrize(
    ("inputs", "output_names", "field", "said"),
    [
        ([], [], "inputs", "at least one"),
        ([tensor(data=bytes(15))], [], "inputs[0].data", "15 bytes"),
        ([tensor(shape=[1, -2])], [], "inputs[0].shape", "outside"),
        ([tensor(shape=[1 << 40, 1 << 40])], [], "inputs[0].data", "16 bytes"),
        ([tensor(data_type=0)], [], "inputs[0].data_type", "missing"),
        ([tensor(), tensor()], [], "inputs", "twice"),
        ([tensor(name="nothing")], [], "inputs", "nothing"),
        ([tensor(data_type=tensor_pb2.DATA_TYPE_FP32, data=bytes(8))], [], "inputs", "float32"),
        ([tensor(shape=[2], name="input_ids")], [], "inputs", "input_ids"),
        ([tensor(), tensor(name="attention_mask"), tensor(name="token_type_ids")], ["none"], "output_names", "none"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_by_field_over_grpc(
    live_server, stubs, inputs, output_names, field, said
) -> None:
    request = infer_pb.InferRequest(model=live_server.model, inputs=inputs, output_names=output_names)
    code, message, told_field = refusal(lambda: stubs(live_server.grpc_address).infer.Infer(request))
    assert code is INVALID, message
    assert told_field.startswith(field), (told_field, message)
    assert said in message


def test_bytes_that_are_no_protobuf_are_refused(live_server, stubs) -> None:
    call = stubs(live_server.grpc_address).channel.unary_unary("/panope.v1.EmbedService/Embed")
    code, message, _ = refusal(lambda: call(b"\xff\xff\xff"))
    assert (code, "not valid protobuf" in message) == (INVALID, True)


def test_a_message_over_the_limit_is_refused_over_grpc(live_server, stubs) -> None:
    request = pb.EmbedRequest(model=live_server.model, texts=["a" * (1 << 19)] * 40)
    code, message, _ = refusal(lambda: stubs(live_server.grpc_address).embed.Embed(request))
    assert code is INVALID
    assert "bytes; the limit is" in message


@pytest.mark.parametrize(
    ("body", "status", "param", "said"),
    [
        (b"", 400, None, "empty"),
        (b"{", 400, None, "JSON"),
        (b'{"model": "{model}", "input": "a"} x', 400, None, "JSON"),
        (b'{"model": "{model}", "input": NaN}', 400, None, "JSON"),
        (b'{"model": "{model}", "input": "\xff"}', 400, None, ""),
        (b'["a"]', 400, None, "object"),
        (b'{"input": "a"}', 400, "model", "model"),
        (b'{"model": 5, "input": "a"}', 400, "model", ""),
        (b'{"model": "acme/none", "input": "a"}', 404, "model", "does not exist"),
        (b'{"model": "{model}"}', 400, "input", "input"),
        (b'{"model": "{model}", "input": ""}', 400, "input", "empty"),
        (b'{"model": "{model}", "input": []}', 400, "input", "at least one"),
        (b'{"model": "{model}", "input": {"a": 1}}', 400, "input.a", ""),
        (b'{"model": "{model}", "input": ["a", 5]}', 400, "input", ""),
        (b'{"model": "{model}", "input": [1.5]}', 400, "input", ""),
        (b'{"model": "{model}", "input": "a", "dimensons": 5}', 400, "dimensons", "dimensions"),
        (b'{"model": "{model}", "input": "a", "dimensions": "5"}', 400, "dimensions", ""),
        (b'{"model": "{model}", "input": "a", "dimensions": 1e9}', 400, "dimensions", ""),
        (b'{"model": "{model}", "input": "a", "encoding_format": "hex"}', 400, "encoding_format", "base64"),
    ],
)
def test_a_bad_embeddings_body_is_refused_by_field_over_rest(live_server, body, status, param, said) -> None:
    body = body.replace(b"{model}", live_server.model.encode())
    reply = live_server.post("/v1/embeddings", body=body, headers={"content-type": "application/json"})
    assert reply.status == status, reply.body
    assert said.lower() in reply.error["message"].lower()
    assert (reply.error["param"] or "").split("[")[0] == (param or "")
    assert reply.error["type"] == "invalid_request_error"
    assert reply.headers["x-request-id"]


@pytest.mark.parametrize(
    ("count", "size", "said"), [(5000, 1, "5,000 items; the limit is 2,048"), (1, 10_000_000, "10,000,000 bytes")]
)
def test_too_much_text_is_refused_with_the_limit_over_rest(live_server, count, size, said) -> None:
    reply = live_server.post("/v1/embeddings", {"model": live_server.model, "input": ["a" * size] * count})
    assert reply.status == 400
    assert said in reply.error["message"]


def test_a_body_over_the_limit_is_413_to_a_client_that_reads_while_it_writes(live_server) -> None:
    client = OpenAI(base_url=f"{live_server.http_url}/v1", api_key="none", max_retries=0)
    with client, pytest.raises(APIStatusError) as caught:
        client.embeddings.create(model=live_server.model, input=["a" * (1 << 19)] * 40)
    assert caught.value.status_code == 413
    assert caught.value.type == "invalid_request_error"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/embeddings", 404),
        ("DELETE", "/v1/models", 404),
        ("POST", "/v1/infer/acme/none", 404),
        ("GET", "/v1/models/acme/none", 404),
        ("GET", "/v1/models/acme%2Fnone", 404),
        ("GET", "/v1/models/..%2F..%2Fetc%2Fpasswd", 404),
        ("GET", "/v1/models/%252e%252e", 404),
        ("POST", "/models/load", 400),
        ("POST", "/panope.v1.EmbedService/Embed", 404),
    ],
)
def test_a_wrong_path_or_method_is_answered_in_the_errors_shape(live_server, method, path, status) -> None:
    document = {"inputs": [{"name": "x", "datatype": "INT64", "shape": [1], "data": [1]}]} if "infer" in path else {}
    reply = live_server.request(method, path, document if method == "POST" else None)
    # A path that exists for other methods may be told as 405.
    assert reply.status in (status, 405 if status == 404 else status), reply.body
    assert reply.error["message"]


def test_a_page_of_another_site_cannot_post_without_asking_first(live_server) -> None:
    body = json.dumps({"model": live_server.model, "input": "a"}).encode()
    reply = live_server.post("/v1/embeddings", body=body, headers={"content-type": "text/plain"})
    assert reply.status == 415
    assert "application/json" in reply.error["message"]


def test_unknown_fields_of_load_are_refused_by_name(live_server) -> None:
    reply = live_server.post("/models/load", {"model": live_server.model, "bakend": "cpu"})
    assert (reply.status, reply.error["param"]) == (400, "bakend")


@pytest.mark.parametrize(
    ("document", "status", "said"),
    [
        ({"model": "acme/none"}, 404, "does not exist"),
        ({"model": "{model}", "keep_alive": "soon"}, 400, "`keep_alive` must be seconds, or a duration such as"),
    ],
)
def test_what_cannot_be_loaded_is_refused_with_the_reason(live_server, document, status, said) -> None:
    named = {key: value.replace("{model}", live_server.model) for key, value in document.items()}
    reply = live_server.post("/models/load", named)
    assert reply.status == status
    assert said in reply.error["message"]


def test_errors_hold_no_path_and_no_library_text(live_server) -> None:
    for body in (b"{", b'{"model": "acme/none", "input": "a"}'):
        reply = live_server.post("/v1/embeddings", body=body, headers={"content-type": "application/json"})
        text = reply.body.decode()
        assert str(live_server.home) not in text
        assert "Traceback" not in text
        assert "msgspec" not in text
