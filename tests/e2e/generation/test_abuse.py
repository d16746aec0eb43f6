"""What strangers send, by gRPC and by REST: each is refused by its name or bounded, and nobody else is harmed."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import openai
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from panope.v1 import embed_service_pb2 as embed_pb2
from panope.v1 import generate_service_pb2 as pb
from panope.v1 import generate_service_pb2_grpc as pb_grpc
from panope.v1 import generation_pb2 as generation
from seeded_chat import NAME, POSITIONS

PROMPT = "The capital of France is"
NEIGHBOUR_TOKENS = 300

INVALID, EXHAUSTED = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.fixture(scope="module")
def stub(seeded_server: Any) -> Iterator[Any]:
    options = [("grpc.max_send_message_length", 1 << 28)]
    with grpc.insecure_channel(seeded_server.grpc_address, options) as channel:
        yield pb_grpc.GenerateServiceStub(channel)


def neighbours_text(client: openai.OpenAI, tokens: int = NEIGHBOUR_TOKENS) -> str:
    pieces = client.completions.create(
        model=NAME, prompt=PROMPT, max_tokens=tokens, temperature=0, stream=True, extra_body={"ignore_eos": True}
    )
    return "".join(piece.choices[0].text for piece in pieces)


@pytest.fixture(scope="module")
def expected(client: openai.OpenAI) -> str:
    return neighbours_text(client)


@pytest.fixture(autouse=True)
def neighbour(seeded_server: Any, client: openai.OpenAI, expected: str) -> Iterator[None]:
    """Somebody who generates meanwhile, and again afterwards, and gets the right text both times."""
    texts: list[str] = []
    caller = threading.Thread(target=lambda: texts.append(neighbours_text(client)))
    caller.start()
    yield
    caller.join(60)
    assert texts == [expected]
    again = neighbours_text(client, 8)
    assert again == expected[: len(again)] != ""
    nothing_is_held(seeded_server)


def nothing_is_held(server: Any) -> None:
    held = (f'panope_in_flight_items{{model="{NAME}"}}', f'panope_queued_items{{model="{NAME}"}}')
    server.wait(lambda: [metric(server, name) for name in held] == [0, 0], 30, "that nothing is held")


def metric(server: Any, name: str) -> float:
    lines = server.admin("/metrics").body.decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def field_of(error: grpc.RpcError) -> str:
    """The field that a refusal names."""
    status = rpc_status.from_call(error)
    assert status is not None
    for detail in status.details:
        bad = error_details_pb2.BadRequest()
        if detail.Unpack(bad):
            return str(bad.field_violations[0].field)
    return ""


def refused(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as refusal:
        call()
    assert "Traceback" not in str(refusal.value.details())
    return refusal.value.code(), field_of(refusal.value)


def lark(source: str) -> Any:
    return generation.Grammar(lark=source)


def schema(**more: Any) -> dict[str, Any]:
    return {"type": "object", **more}


REMOTE = schema(properties={"a": {"$ref": "http://127.0.0.1:1/schema.json"}}, required=["a"])
#: An object that needs another one inside, without an end.
ENDLESS = schema(properties={"a": {"$ref": "#"}}, required=["a"])
WIDE = schema(properties={f"p{number}": {"type": "string", "pattern": "(a|b){1,9}c"} for number in range(20_000)})
ALTERNATIVES = "|".join(f"word{number}" for number in range(200_000))
BLOW_UP = "((a{1,99}){1,99}){1,99}b"
DEEP_LARK = "start: a\n" + "\n".join(
    f"a{'a' * number}: a{'a' * (number + 1)} a{'a' * (number + 1)}" for number in range(60)
)

ROWS = [
    # the row, the option over gRPC, the field of REST, its value, what REST calls it in the refusal
    pytest.param({"n": 10**6}, {"n": 10**6}, "n", id="n of a million"),
    pytest.param({"logprobs": 10**6}, {"logprobs": 10**6}, "logprobs", id="a million log-probabilities"),
    pytest.param({"stop": ["x"] * 1000}, {"stop": ["x"] * 1000}, "stop", id="1,000 stops"),
    pytest.param({"stop": ["x" * (1 << 20)]}, {"stop": "x" * (1 << 20)}, "stop", id="a stop of 1 MiB"),
    pytest.param({"stop_token_ids": [1] * 10**4}, {"stop_token_ids": [1] * 10**4}, "stop_token_ids", id="stop tokens"),
]


@pytest.mark.parametrize(("options", "body", "field"), ROWS)
def test_a_number_out_of_its_range_is_refused_by_name(
    seeded_server: Any, stub: Any, options: dict[str, Any], body: dict[str, Any], field: str
) -> None:
    request = pb.GenerateRequest(model=NAME, prompts=[PROMPT], options=generation.GenerationOptions(**options))
    code, named = refused(lambda: stub.Generate(request, timeout=30))
    assert (code, named.removeprefix("options.").partition("[")[0]) == (INVALID, field)
    reply = seeded_server.post("/v1/completions", {"model": NAME, "prompt": PROMPT, **body})
    assert (reply.status, reply.error["param"].partition("[")[0]) == (400, field)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-1", "1e400", '"NaN"'])
def test_a_temperature_that_is_no_number_is_refused(seeded_server: Any, value: str) -> None:
    body = f'{{"model": "{NAME}", "prompt": "a", "temperature": {value}}}'.encode()
    reply = seeded_server.post("/v1/completions", body=body, headers={"content-type": "application/json"})
    assert reply.status == 400, reply.body
    assert reply.error["type"] == "invalid_request_error"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_a_temperature_that_is_no_number_is_refused_over_grpc(stub: Any, value: float) -> None:
    options = generation.GenerationOptions(sampling=generation.SamplingParams(temperature=value))
    request = pb.GenerateRequest(model=NAME, prompts=["a"], options=options)
    code, field = refused(lambda: stub.Generate(request, timeout=30))
    assert (code, field.rpartition(".")[2]) == (INVALID, "temperature")


def test_a_prompt_of_10_megabytes_is_refused_before_it_is_read_into_tokens(seeded_server: Any, stub: Any) -> None:
    for size, statuses in ((10 << 20, {400, 413}), (3 << 20, {400, 413})):
        reply = seeded_server.post("/v1/completions", {"model": NAME, "prompt": "a" * size})
        assert reply.status in statuses
        assert reply.error["message"]
        request = pb.GenerateRequest(model=NAME, prompts=["a" * size])
        assert refused(lambda request=request: stub.Generate(request, timeout=30))[0] in (INVALID, EXHAUSTED)


def test_a_million_tokens_are_as_many_as_the_model_has_positions_for(seeded_server: Any, stub: Any) -> None:
    ids = [40] * (POSITIONS - 20)
    body = {"model": NAME, "prompt": ids, "max_tokens": 10**6, "ignore_eos": True, "temperature": 0}
    reply = seeded_server.post("/v1/completions", body)
    usage = reply.json["usage"]
    assert (reply.status, reply.json["choices"][0]["finish_reason"]) == (200, "length")
    assert usage["total_tokens"] <= POSITIONS + 1
    options = generation.GenerationOptions(
        max_tokens=10**6, ignore_eos=True, sampling=generation.SamplingParams(temperature=0)
    )
    request = pb.GenerateRequest(model=NAME, prompt_token_ids=[embed_pb2.TokenSequence(ids=ids)], options=options)
    assert stub.Generate(request, timeout=60).usage.completion_tokens == usage["completion_tokens"]


@pytest.mark.parametrize(
    "source",
    [
        json.dumps(REMOTE),
        json.dumps(ENDLESS),
        json.dumps(WIDE),
        '{"type": "object", "properties": ' * 60 + "{}" + "}" * 60,
    ],
    ids=["remote reference", "endless recursion", "schema of 1 MB", "nested"],
)
def test_a_schema_that_cannot_be_compiled_is_refused_and_fetches_nothing(
    seeded_server: Any, stub: Any, source: str
) -> None:
    options = generation.GenerationOptions(grammar=generation.Grammar(json_schema=source), max_tokens=4)
    request = pb.GenerateRequest(model=NAME, prompts=[PROMPT], options=options)
    code, field = refused(lambda: stub.Generate(request, timeout=60))
    assert code is INVALID
    assert field.startswith("options.grammar")
    body = {"model": NAME, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4, "response_format": None}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": json.loads(source)}}
    reply = seeded_server.post("/v1/chat/completions", {**body, "response_format": form})
    assert reply.status == 400
    assert str(reply.error["param"]).startswith("response_format")


@pytest.mark.parametrize(
    "source", [ALTERNATIVES, BLOW_UP, "(" * 2000 + "a" + ")" * 2000], ids=["alternatives", "repeats", "brackets"]
)
def test_a_hostile_expression_is_refused_or_costs_little(seeded_server: Any, stub: Any, source: str) -> None:
    options = generation.GenerationOptions(grammar=generation.Grammar(regex=source), max_tokens=4)
    request = pb.GenerateRequest(model=NAME, prompts=[PROMPT], options=options)
    reply = seeded_server.post("/v1/completions", {"model": NAME, "prompt": PROMPT, "max_tokens": 4, "regex": source})
    assert reply.status in (200, 400)
    if reply.status == 400:
        assert reply.error["param"] == "regex"
        code, field = refused(lambda: stub.Generate(request, timeout=60))
        assert code is INVALID
        assert field.startswith("options.grammar")
    else:
        assert stub.Generate(request, timeout=60).usage.completion_tokens <= 4


@pytest.mark.parametrize(
    "source", [DEEP_LARK, "start: start", 'start: "a" start', "start: %json {", "%import common.X"]
)
def test_a_hostile_grammar_is_refused_by_name(seeded_server: Any, stub: Any, source: str) -> None:
    request = pb.GenerateRequest(
        model=NAME, prompts=[PROMPT], options=generation.GenerationOptions(grammar=lark(source), max_tokens=4)
    )
    code, field = refused(lambda: stub.Generate(request, timeout=60))
    assert code is INVALID
    assert field.startswith("options.grammar")
    reply = seeded_server.post("/v1/completions", {"model": NAME, "prompt": PROMPT, "grammar": source, "max_tokens": 4})
    assert (reply.status, reply.error["param"]) == (400, "grammar")


@pytest.mark.parametrize("name", ["chat_template", "tokenize", "messages", "add_generation_prompt"])
def test_a_caller_sets_nothing_of_the_template_but_what_it_reads(seeded_server: Any, stub: Any, name: str) -> None:
    body = {"model": NAME, "messages": [{"role": "user", "content": "Hi"}], "chat_template_kwargs": {name: "{{ 1 }}"}}
    reply = seeded_server.post("/v1/chat/completions", body)
    assert (reply.status, reply.error["param"]) == (400, f"chat_template_kwargs.{name}")
    reply = seeded_server.post("/v1/chat/completions", {**body, "chat_template_kwargs": {}, "chat_template": "{{ 1 }}"})
    assert (reply.status, reply.error["param"]) == (400, "chat_template")
    message = pb.ChatMessage(role=pb.CHAT_ROLE_USER, content=[pb.ContentPart(text="Hi")])
    request = pb.ChatRequest(model=NAME, messages=[message], template_kwargs_json=json.dumps({name: "{{ 1 }}"}))
    code, field = refused(lambda: stub.Chat(request, timeout=30))
    assert (code, field.partition(".")[0]) == (INVALID, "template_kwargs_json")


@pytest.mark.parametrize("place", ["prompt", "stop", "regex", "user"])
def test_half_of_a_surrogate_pair_is_refused_where_it_stands(seeded_server: Any, place: str) -> None:
    body = json.dumps({"model": NAME, "prompt": "a", "max_tokens": 1, place: "a\ud800b"}).encode()
    reply = seeded_server.post("/v1/completions", body=body, headers={"content-type": "application/json"})
    assert reply.status == 400
    assert reply.error["message"]


@pytest.mark.parametrize("token_id", [455, 1 << 20, (1 << 31) - 1])
def test_a_token_id_outside_the_vocabulary_is_refused_by_its_place(
    seeded_server: Any, stub: Any, token_id: int
) -> None:
    request = pb.GenerateRequest(
        model=NAME, prompt_token_ids=[embed_pb2.TokenSequence(ids=[1]), embed_pb2.TokenSequence(ids=[token_id])]
    )
    assert refused(lambda: stub.Generate(request, timeout=30)) == (INVALID, "prompt_token_ids[1]")
    for body, field in (
        ({"prompt": [[1], [token_id]]}, "prompt[1]"),
        ({"prompt": "a", "logit_bias": {str(token_id): 1}}, "logit_bias"),
        ({"prompt": "a", "stop_token_ids": [token_id]}, "stop_token_ids"),
    ):
        reply = seeded_server.post("/v1/completions", {"model": NAME, "max_tokens": 1, **body})
        assert (reply.status, reply.error["param"].partition(".")[0]) == (400, field), reply.body


def test_a_deadline_that_passes_ends_the_generation(seeded_server: Any, stub: Any) -> None:
    options = generation.GenerationOptions(max_tokens=2000, ignore_eos=True)
    request = pb.GenerateRequest(model=NAME, prompts=[PROMPT] * 8, options=options)
    with pytest.raises(grpc.RpcError) as late:
        stub.Generate(request, timeout=0.2)
    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    nothing_is_held(seeded_server)


def open_stream(server: Any, prompt: str = PROMPT, **more: Any) -> socket.socket:
    """A connection that has asked for a stream and reads nothing."""
    body = {"model": NAME, "prompt": prompt, "max_tokens": 1900, "ignore_eos": True, "stream": True, **more}
    data = json.dumps(body).encode()
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", server.http_port))
    lines = ["POST /v1/completions HTTP/1.1", "host: localhost", f"content-length: {len(data)}"]
    head = "\r\n".join([*lines, "content-type: application/json", "", ""])
    connection.sendall(head.encode() + data)
    return connection


def test_clients_that_leave_in_the_queue_in_prefill_and_in_decode_free_their_places(seeded_server: Any) -> None:
    """More streams than there are slots, which are left after a while that differs for each."""
    running = f'panope_in_flight_items{{model="{NAME}"}}'
    long = "word " * 300
    connections = [open_stream(seeded_server, long if number % 2 else PROMPT) for number in range(48)]
    seeded_server.wait(lambda: metric(seeded_server, running) > 8, 30, "streams on their way")
    for connection in connections:
        connection.close()
    nothing_is_held(seeded_server)
    for number in range(24):  # and some that leave at once, wherever they are by then
        connection = open_stream(seeded_server, long)
        time.sleep(number / 1000)
        connection.close()
    nothing_is_held(seeded_server)


def test_a_reader_that_does_not_read_holds_up_nobody(seeded_server: Any, client: openai.OpenAI, expected: str) -> None:
    slow = [open_stream(seeded_server, logprobs=20) for _ in range(4)]
    try:
        assert neighbours_text(client) == expected
    finally:
        for connection in slow:
            connection.close()
    nothing_is_held(seeded_server)
