"""What a caller can get wrong, each with status, code and text."""

from __future__ import annotations

import json

import grpc
import pytest

from panope.v1 import embed_service_pb2 as embed_pb2
from panope.v1 import embed_service_pb2_grpc, infer_service_pb2_grpc, registry_service_pb2_grpc
from panope.v1 import infer_service_pb2 as infer_pb2
from panope.v1 import registry_service_pb2 as registry_pb2
from panope_backends.errors import InvalidInputError

EMBEDDER = "acme/embedder"
MAX_BODY_BYTES = 1 << 20


KNOWN = (
    "unknown field `zzz`; known are `model`, `input`, `encoding_format`, `dimensions`, `normalize`, `prompt_name`, "
    "`input_type`, `truncate`, `truncation_direction`, `truncate_prompt_tokens`, `add_special_tokens`, "
    "`image_pooling`, `user`, `priority`, `hardware`, `extra_body`"
)


def embeddings(**fields: object) -> bytes:
    return json.dumps({"model": EMBEDDER, "input": "abc"} | fields).encode()


@pytest.mark.parametrize(
    ("body", "code", "param", "message"),
    [
        (b"", "invalid_json", None, "the body is empty; send a JSON object"),
        (b"{", "invalid_json", None, "the body is not valid JSON: it ends in the middle of a value"),
        (b'{"model": "a" "input": "b"}', "invalid_json", None, "the body is not valid JSON at byte 14"),
        (embeddings() + b"x", "invalid_json", None, "the body is not valid JSON at byte 43"),
        (b"\xef\xbb\xbf" + embeddings(), "invalid_json", None, "the body is not valid JSON at byte 0"),
        (b'{"model": "\xff", "input": "b"}', "invalid_json", None, "the body is not UTF-8"),
        (b'{"model": "a", "input": "\xff"}', "invalid_json", None, "the body is not UTF-8"),
        (b'{"input": NaN}', "invalid_json", None, "the body is not valid JSON: NaN at byte 10 is no JSON number"),
        (
            b'{"input": [1, -Infinity]}',
            "invalid_json",
            None,
            "the body is not valid JSON: -Infinity at byte 15 is no JSON number",
        ),
        (b"[1]", "invalid_input", None, "the body must be an object, got a list"),
        (b'{"input": "a"}', "missing_field", "model", "`model` is missing"),
        (b'{"model": "a"}', "missing_field", "input", "`input` is missing"),
        (embeddings(model=""), "invalid_input", "model", "`model` must be a string of length >= 1"),
        (embeddings(model=5), "invalid_input", "model", "`model` must be a string, got an integer"),
        (embeddings(model=None), "invalid_input", "model", "`model` must be a string, got null"),
        (embeddings(model="a" * 300), "invalid_input", "model", "`model` has 300 characters; the limit is 256"),
        (embeddings(model="acme/none"), "model_not_found", "model", "there is no model `acme/none`"),
        (embeddings(input=None), "invalid_input", "input", "`input` must be a string or a list, got null"),
        (embeddings(input=5), "invalid_input", "input", "`input` must be a string or a list, got an integer"),
        (embeddings(input=""), "invalid_input", "input", "`input` is empty"),
        (embeddings(input=[]), "invalid_input", "input", "`input` is empty; give at least one"),
        (embeddings(input=["a", ""]), "invalid_input", "input[1]", "`input[1]` is empty"),
        (embeddings(input=[[]]), "invalid_input", "input[0]", "`input[0]` is empty"),
        (embeddings(input=["a", 1]), "invalid_input", "input", "`input` mixes texts, ids and lists of ids"),
        (embeddings(input=["a", None]), "invalid_input", "input[1]", None),
        (embeddings(input=[1, 2.5]), "invalid_input", "input[1]", None),
        (embeddings(input=[-1]), "invalid_input", "input[0]", "`input[0]` must be an integer >= 0"),
        (
            embeddings(input=[[1, "a"]]),
            "invalid_input",
            "input[0][1]",
            "`input[0][1]` must be an integer, got a string",
        ),
        (embeddings(input=["a"] * 65), "invalid_input", "input", "`input` has 65 items; the limit is 64"),
        (embeddings(dimensions=0), "invalid_input", "dimensions", "`dimensions` must be an integer >= 1"),
        (embeddings(dimensions=5), "invalid_input", "dimensions", "`dimensions` is at most 4"),
        (
            embeddings(dimensions=2.5),
            "invalid_input",
            "dimensions",
            "`dimensions` must be an integer or null, got a number",
        ),
        (embeddings(dimensions=2**70), "invalid_input", "dimensions", None),
        (
            embeddings(encoding_format="hex"),
            "invalid_input",
            "encoding_format",
            "`encoding_format` must be one of base64, float",
        ),
        (embeddings(user="u" * 257), "invalid_input", "user", None),
        (
            embeddings(dimension=5),
            "unknown_field",
            "dimension",
            "unknown field `dimension`; did you mean `dimensions`?",
        ),
        (
            embeddings(zzz=5),
            "unknown_field",
            "zzz",
            KNOWN,
        ),
    ],
)
def test_a_wrong_body_is_400_or_404_and_named(edge, body, code, param, message):
    reply = edge.post("/v1/embeddings", body)
    error = reply.error
    assert (error["code"], error["param"], error["type"]) == (code, param, "invalid_request_error"), error
    assert message is None or error["message"] == message
    assert reply.status == (404 if code == "model_not_found" else 400)
    assert not edge.instances.calls or "at most" in error["message"]


@pytest.mark.parametrize("sequences", ["[[1,2],[3,-4]]", '[[1,2],["3"]]', "[[1,2],3]"])
def test_a_large_list_of_ids_is_checked_like_a_small_one(edge, sequences):
    large = "[[" + ",".join(["100000"] * 50_000) + "]," + sequences[1:]
    reply = edge.post("/v1/embeddings", b'{"model":"acme/embedder","input":' + large.encode() + b"}")
    assert reply.status == 400
    assert reply.error["param"].startswith("input[2]")


@pytest.mark.parametrize(
    "given",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx", ""],
)
@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/embed", "/v1/infer/acme/embedder", "/models/unload"])
def test_a_body_that_a_foreign_page_could_send_without_asking_is_refused(edge, given, path):
    reply = edge.post(path, embeddings(), {"content-type": given, "origin": "https://elsewhere.example"})
    assert reply.status == 415
    assert reply.error["code"] == "unsupported_content_type"
    assert reply.error["message"] == "send the header `content-type: application/json`"


@pytest.mark.parametrize("given", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_is_taken_however_its_name_is_written(edge, given):
    assert edge.post("/v1/embeddings", embeddings(), {"content-type": given}).status == 200


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/infer/acme/embedder", "/models/load"])
@pytest.mark.parametrize("size", [MAX_BODY_BYTES + 1, MAX_BODY_BYTES + (60 << 10), 4 * MAX_BODY_BYTES])
def test_a_body_over_the_limit_is_413(edge, path, size):
    reply = edge.post(path, b" " * size)
    assert reply.status == 413
    assert reply.error == {
        "message": "the request body is larger than 1,048,576 bytes",
        "type": "invalid_request_error",
        "param": None,
        "code": "request_too_large",
    }


def test_a_body_of_the_limit_is_read(edge):
    body = embeddings(input=["a" * 16_000] * 64)
    assert edge.post("/v1/embeddings", body.ljust(MAX_BODY_BYTES)).status == 200


def test_a_defect_tells_its_request_id_and_nothing_else(edge, failures):
    edge.instances.failure = failures["defect"]
    reply = edge.post("/v1/embeddings", embeddings(), {"x-request-id": "id-7"})
    assert reply.status == 500
    assert reply.error == {
        "message": "internal error; the server's log has it under request id id-7",
        "type": "server_error",
        "param": None,
        "code": "internal_error",
    }


@pytest.mark.parametrize(
    ("failure", "status", "kind", "code", "headers"),
    [
        ("busy", 429, "rate_limit_error", "overloaded", {"retry-after-ms": "250", "retry-after": "1"}),
        ("lost", 503, "server_error", "instance_lost", {}),
        ("late", 504, "timeout_error", "deadline_exceeded", {"x-should-retry": "false"}),
    ],
)
def test_errors_from_below_keep_their_words_and_their_hints(edge, failures, failure, status, kind, code, headers):
    edge.instances.failure = failures[failure]
    reply = edge.post("/v1/embeddings", embeddings())
    assert (reply.status, reply.error["type"], reply.error["code"]) == (status, kind, code)
    assert {name: reply.headers.get(name) for name in headers} == headers
    assert [name for name in reply.headers if name.startswith("grpc-")] == []


@pytest.mark.parametrize(
    "message", ['say "hi"', 'a "code":"forged" b', "back\\slash", "ümläut 漢字", "two\nlines", "<b>"]
)
def test_a_message_cannot_pose_as_a_field(edge, failures, message):
    edge.instances.failure = type(failures["busy"])(message)
    reply = edge.post("/v1/embeddings", embeddings())
    assert (reply.error["message"], reply.error["code"]) == (message, "overloaded")


HALF = "the body is not valid JSON: a string has half of a surrogate pair, such as \\ud83d, alone"
CUT = "the body is not valid JSON: it ends in the middle of a value"


@pytest.mark.parametrize(
    "value",
    [
        rb'"\ud83d"',
        rb'"a \uD800"',
        rb'"\ud83d and much more text behind it"',
        rb'"\ud83d\n"',
        rb'"\ud83d\u0041"',
        rb'"\ud83d\ud83d"',
        rb'"\udc00"',
        rb'["a", "\\\ud83d"]',
    ],
)
def test_half_of_a_surrogate_pair_is_named_wherever_it_stands(edge, value):
    body = b'{"model": "acme/embedder", "input": ' + value + b"}"
    error = edge.post("/v1/embeddings", body).error
    assert (error["message"], error["code"]) == (HALF, "invalid_json")


@pytest.mark.parametrize("end", [rb'"', rb'"\ud83d', rb'"\ud83d\u', rb'"\ud83d\udc', rb'"\\ud83d'])
def test_a_body_that_ends_inside_a_text_is_said_to(edge, end):
    assert edge.post("/v1/embeddings", b'{"model": "acme/embedder", "input": ' + end).error["message"] == CUT


def test_a_whole_surrogate_pair_is_one_character_and_an_escaped_backslash_begins_none(edge):
    assert edge.post("/v1/embeddings", rb'{"model": "acme/embedder", "input": "\ud83d\ude00 \\ud83d"}').status == 200
    assert edge.instances.calls[-1].input.texts == ["\U0001f600 \\ud83d"]


LONG = "é" * 100_000


def refusals(edge, channel) -> list[tuple[str, str]]:
    """Every way to send a long name: the field that is named, and the message."""
    found = []
    for path, body in [
        ("/v1/embeddings", {"model": LONG, "input": "a"}),
        (f"/v1/embed/{EMBEDDER}", {"inputs": "a", "prompt_name": LONG}),
        (f"/v1/embed/{EMBEDDER}", {"inputs": "a", LONG: 1}),
        ("/v1/infer/acme/tensors", {"inputs": [{"name": LONG, "data_type": "INT8", "shape": [1], "data": [1]}]}),
        (f"/v1/infer/{EMBEDDER}", {"value": {"texts": ["a"], "prompt_name": LONG}}),
        (f"/v1/infer/{EMBEDDER}", {"value": {"texts": ["a"], LONG: 1}}),
        ("/models/load", {"model": LONG}),
        ("/v1/aliases/rollback", {"alias": LONG}),
        ("/v1/models/pull", {"model": LONG}),
    ]:
        reply = edge.post(path, body)
        assert reply.status == 400, (path, reply.body[:300])
        found.append((reply.error["param"], reply.error["message"]))
    embed = embed_service_pb2_grpc.EmbedServiceStub(channel)
    infer = infer_service_pb2_grpc.InferServiceStub(channel)
    registry = registry_service_pb2_grpc.RegistryServiceStub(channel)
    for call, request in [
        (embed.Embed, embed_pb2.EmbedRequest(model=EMBEDDER, texts=["a"], prompt_name=LONG)),
        (embed.Tokenize, embed_pb2.TokenizeRequest(model=LONG, texts=["a"])),
        (infer.Infer, infer_pb2.InferRequest(model=EMBEDDER, output_names=[LONG])),
        (registry.PinModel, registry_pb2.PinModelRequest(model=EMBEDDER, reason=LONG)),
    ]:
        with pytest.raises(grpc.RpcError) as raised:
            call(request, timeout=10)
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        found.append(("", raised.value.details()))
    return found


def test_a_long_name_is_refused_shortly_and_costs_no_other_caller_its_call(edge):
    edge.instances.hold = True
    with (
        grpc.insecure_channel(f"127.0.0.1:{edge.http_port}") as through_envoy,
        grpc.insecure_channel(f"127.0.0.1:{edge.grpc_port}") as direct,
    ):
        call = embed_service_pb2_grpc.EmbedServiceStub(through_envoy).Embed
        waiting = call.future(embed_pb2.EmbedRequest(model=EMBEDDER, texts=["a"]))
        assert edge.instances.held.wait(10)
        told = [*refusals(edge, through_envoy), *refusals(edge, direct)]
        assert not waiting.done()
        edge.instances.release()
        assert waiting.result(10).count == 1
    for field, message in told:
        assert len(field.encode()) <= 256, field
        assert len(message.encode()) <= 900, message


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/embeddings", b'{"model": "acme/embedder", "input": "a", "input": "b"}', "input"),
        ("/v1/embed", b' {"inputs": "a", "parameters": {"truncate": true, "truncate": false}}', "parameters.truncate"),
        ("/v1/infer/acme/embedder", b'{"value": {"texts": ["a"], "texts": ["b"]}}', "value.texts"),
        (
            "/v1/infer/acme/embedder",
            b'{"inputs": [{"name": "x", "datatype": "INT8", "shape": [1], "shape": [2], "data": [1, 1]}]}',
            "inputs[0].shape",
        ),
        ("/models/unload", b'{"model": "acme/embedder", "model": "acme/other"}', "model"),
    ],
)
def test_a_field_that_is_given_twice_is_refused_by_name(edge, path, body, field):
    reply = edge.post(path, body)
    assert (reply.status, reply.error["code"], reply.error["param"]) == (400, "duplicate_field", field)
    assert reply.error["message"] == f"`{field}` is given twice"
    assert edge.instances.calls == []


def test_a_text_may_hold_what_fields_are_called(edge):
    body = b'{"model": "acme/embedder", "input": ["input", "\\"input\\": 1", "model"]}'
    assert edge.post("/v1/embeddings", body).status == 200


def test_messages_are_written_as_people_read_them(edge):
    reply = edge.post("/v1/embeddings", {"model": "acme/embedder", "input": "a", "<b>&'": 1})
    assert b"unknown field `<b>&'`" in reply.body
    edge.instances.failure = InvalidInputError("a \\u003e stays, a > too")
    reply = edge.post("/v1/embeddings", {"model": "acme/embedder", "input": "a"})
    assert reply.error["message"] == "a \\u003e stays, a > too"


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/embed/acme/embedder", "/v1/chat/completions", "/models/load"])
@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_json_that_is_nested_without_end_is_refused(edge, path, opening):
    reply = edge.post(path, b'{"model": "acme/embedder", "input": ' + opening * 100_000)
    assert (reply.status, reply.error["type"]) == (400, "invalid_request_error")
    assert edge.get("/v1/models").status == 200
