"""The same text by every way in, from real weights in a real worker behind a real Envoy."""

from __future__ import annotations

import json
import threading
import time

import openai
import pytest
from huggingface_hub import InferenceClient

from panope.v1 import generate_service_pb2 as pb
from panope.v1 import generate_service_pb2_grpc as pb_grpc
from panope.v1 import generation_pb2 as generation
from panope_client import Client
from panope_registry.session import RegistrySession
from panope_server.cli.server.demo import CHAT

MODEL = CHAT.name
PROMPT = "The capital of France is"
TOKENS = 12


@pytest.fixture(scope="module")
def generator(make_servers, tmp_path_factory):
    """A server whose one model generates."""
    if CHAT.path is None:
        pytest.skip("needs the package of the demo's model that chats")
    folder = tmp_path_factory.mktemp("generation")
    home = folder / "home"
    session = RegistrySession.open(home / "registry.sqlite3", home)
    session.registry.import_folder(CHAT.path, MODEL)
    session.close()
    servers = make_servers(folder, folder)
    yield servers.start("--load", MODEL, home=home, demo=False)
    servers.stop()


@pytest.fixture(scope="module")
def text(generator) -> str:
    """What the model says by its own protocol, taking the likeliest token each time."""
    with Client(generator.grpc_address) as client:
        answer = client.generate(PROMPT, MODEL, max_tokens=TOKENS, temperature=0)
    assert (answer.usage.completion_tokens, answer.completions[0].finish_reason) == (
        TOKENS,
        generation.FINISH_REASON_LENGTH,
    )
    return answer.completions[0].text


def test_the_model_knows_the_answer(text):
    assert "Paris" in text


def test_grpc_streams_it(generator, stubs, text):
    stub = pb_grpc.GenerateServiceStub(stubs(generator.grpc_address).channel)
    options = generation.GenerationOptions(max_tokens=TOKENS, sampling=generation.SamplingParams(temperature=0))
    request = pb.GenerateRequest(model=MODEL, prompts=[PROMPT], options=options)
    parts = list(stub.StreamGenerate(pb.StreamGenerateRequest(request=request), timeout=60))
    assert "".join(delta.text for part in parts for delta in part.deltas) == text
    assert [part.HasField("usage") for part in parts] == [False] * (len(parts) - 1) + [True]


def test_openais_client_completes_and_streams_it(generator, text):
    with openai.OpenAI(base_url=f"{generator.http_url}/v1", api_key="unused", max_retries=0) as client:
        asked = {"model": MODEL, "prompt": PROMPT, "max_tokens": TOKENS, "temperature": 0}
        whole = client.completions.create(**asked)
        pieces = list(client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert (whole.choices[0].text, whole.choices[0].finish_reason) == (text, "length")
    assert "".join(piece.choices[0].text for piece in pieces[:-1]) == text
    assert len(pieces) > 3
    assert pieces[-1].usage == whole.usage


def test_hugging_faces_client_continues_and_streams_it(generator, text):
    client = InferenceClient(base_url=f"{generator.http_url}/models/{MODEL}")
    assert client.text_generation(PROMPT, max_new_tokens=TOKENS) == text
    assert "".join(client.text_generation(PROMPT, max_new_tokens=TOKENS, stream=True)) == text


def test_a_prompt_that_is_too_long_is_refused_with_the_reason(generator):
    reply = generator.post("/v1/completions", {"model": MODEL, "prompt": "word " * 20_000})
    assert (reply.status, reply.json["error"]["param"]) == (400, "prompt")
    assert reply.json["error"]["code"] == "context_length_exceeded"


def test_a_call_whose_client_has_gone_frees_its_place(generator):
    """Streams that are left leave room for others at once, however long they would have been."""

    def leave() -> None:
        with Client(generator.grpc_address) as client:
            parts = client.stream_generate(PROMPT, MODEL, max_tokens=4000, ignore_eos=True)
            next(parts)
            parts.close()

    callers = [threading.Thread(target=leave) for _ in range(16)]
    started = time.monotonic()
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    reply = generator.post("/v1/completions", {"model": MODEL, "prompt": PROMPT, "max_tokens": 2})
    assert reply.status == 200, reply.body
    assert time.monotonic() - started < 60
    assert json.loads(reply.body)["usage"]["completion_tokens"] <= 2


def test_the_server_tells_what_its_instances_generate(generator, text):
    """What a worker tells each second stands in the metrics and in the instance's status."""
    deadline = time.monotonic() + 30
    told: dict = {}
    while told.get("completion_tokens", 0) < TOKENS:
        assert time.monotonic() < deadline, told
        told = generator.get(f"/v1/models/{MODEL}/info").json["instances"][0]["generation"] or {}
    assert told["prompt_tokens"] > 0
    lines = generator.admin("/metrics").body.decode().splitlines()
    values = {line.partition("{")[0]: float(line.rpartition(" ")[2]) for line in lines if f'model="{MODEL}"' in line}
    assert values["panope_generation_tokens_total"] >= told["completion_tokens"]
    assert values["panope_inter_token_latency_seconds_count"] > 0
    assert 0 < values["panope_time_to_first_token_seconds_sum"] < 60
    assert values["panope_time_to_first_token_seconds_count"] > 0
