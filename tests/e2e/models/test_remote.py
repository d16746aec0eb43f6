"""Models that servers elsewhere run: another Panope behind its Envoy, and one that repeats its prompts behind a key."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import grpc
import numpy as np
import openai
import pytest

from command_line import panope
from panope.v1 import generate_service_pb2 as pb
from panope.v1 import generation_pb2 as generation
from panope.v1 import registry_service_pb2 as registry_pb
from panope_backends.testing.echo_upstream import MODEL, EchoUpstream

ECHO, CHAT = "acme/echo", "acme/chat"
UPSTREAM_CHAT = "HuggingFaceTB/SmolLM2-135M-Instruct"
KEY = "sk-a-key-that-nobody-may-see"
QUESTION = [{"role": "user", "content": "What is the capital of France? Answer in one word."}]


@pytest.fixture(scope="module")
def upstream() -> Iterator[EchoUpstream]:
    with EchoUpstream(KEY) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def front(make_servers: Any, upstream: EchoUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server whose models all run elsewhere."""
    folder = tmp_path_factory.mktemp("remote")
    (folder / "panope.toml").write_text(
        '[remote]\nallowed_hosts = ["127.0.0.1"]\nprivate_addresses = true\n'
        f'api_keys = ["127.0.0.1:{upstream.port}=ECHO_KEY"]\n'
    )
    servers = make_servers(folder, folder)
    try:
        server = servers.start("--config", str(folder / "panope.toml"), home=folder / "home", demo=False, ECHO_KEY=KEY)
        register(server, ECHO, url=upstream.url, protocol="vllm", model=MODEL)
        yield server
    finally:
        servers.stop()


def register(server: Any, named: str, *, task_hints: Sequence[str] = (), **upstream: str) -> None:
    """Registers a model by REST and waits for its job."""
    vendor, _, name = named.partition("/")
    body = {"model_vendor": vendor, "model_name": name, "task_hints": list(task_hints), "upstream": upstream}
    reply = server.post("/v1/models/register", body)
    assert reply.status == 202, reply.body
    job = f"/v1/jobs/{reply.json['job']['id']}"
    server.wait(lambda: server.get(job).json["status"] in ("succeeded", "failed"), 30, "the job's end")
    assert server.get(job).json["status"] == "succeeded", server.get(job).json


@pytest.fixture(scope="module")
def client(front: Any) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{front.http_url}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_a_prompt_is_answered_there_whole_and_in_pieces(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": ECHO, "prompt": "naïve 東京 😀", "max_tokens": 100, "temperature": 0}
    whole = client.completions.create(**asked)
    assert (whole.choices[0].text, whole.choices[0].finish_reason) == ("naïve 東京 😀", "stop")
    pieces = list(client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert "".join(piece.choices[0].text for piece in pieces[:-1]) == "naïve 東京 😀"
    assert pieces[-1].usage == whole.usage
    assert whole.usage is not None
    assert whole.usage.prompt_tokens == len("naïve 東京 😀".encode())


def test_a_conversation_goes_there_as_it_is(client: openai.OpenAI, upstream: EchoUpstream) -> None:
    tools: Any = [{"type": "function", "function": {"name": "look", "parameters": {"z": 1, "a": 2}}}]
    messages: Any = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}]
    answer = client.chat.completions.create(
        model=ECHO, messages=messages, tools=tools, temperature=0, logprobs=True, top_logprobs=2, n=2, max_tokens=50
    )
    assert [choice.message.content for choice in answer.choices] == ["hello", "hello"]
    body = upstream.bodies[-1]
    assert body["messages"] == messages
    assert list(body["tools"][0]["function"]["parameters"]) == ["z", "a"]
    assert (body["n"], body["temperature"], body["max_tokens"], body["top_logprobs"]) == (2, 0, 50, 2)
    assert "top_p" not in body, "what the caller leaves out is left to the server"
    told = answer.choices[0].logprobs
    assert told is not None
    assert told.content is not None
    assert "".join(entry.token for entry in told.content[:5]) == "hello"
    assert all(len(entry.top_logprobs) == 2 for entry in told.content)


def test_grpc_streams_it_and_a_caller_who_goes_ends_it_there(front: Any, stubs: Any, upstream: EchoUpstream) -> None:
    from panope.v1 import generate_service_pb2_grpc as pb_grpc

    stub = pb_grpc.GenerateServiceStub(stubs(front.grpc_address).channel)
    options = generation.GenerationOptions(ignore_eos=True)
    request = pb.GenerateRequest(model=ECHO, prompts=["without an end "], options=options)
    call = stub.StreamGenerate(pb.StreamGenerateRequest(request=request), timeout=60)
    assert next(call)
    call.cancel()
    front.wait(lambda: not upstream.running, 20, "the end of the answer there")


def test_what_the_protocol_does_not_know_is_refused_by_name(front: Any, client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        client.completions.create(model=ECHO, prompt="a", max_tokens=3, extra_body={"truncate_prompt_tokens": 3})
    assert refusal.value.param == "truncate_prompt_tokens"
    with pytest.raises(openai.BadRequestError) as refusal:
        client.completions.create(model=ECHO, prompt="a" * 5000, max_tokens=3)
    assert refusal.value.param == "prompt"


def test_no_one_sees_the_key(front: Any, client: openai.OpenAI, upstream: EchoUpstream) -> None:
    client.completions.create(model=ECHO, prompt="a", max_tokens=3)
    workers = front.workers()
    assert workers
    for process in workers:
        assert KEY not in "".join(process.environ().values())
        assert KEY not in " ".join(process.cmdline())
    assert KEY not in front.log()
    for file in front.home.rglob("*"):
        if file.is_file():
            assert KEY.encode() not in file.read_bytes(), file
    shown = json.dumps([front.get(f"/v1/models/{ECHO}/info").json, front.admin("/metrics").body.decode()])
    assert KEY not in shown
    assert upstream.url in shown


def test_a_host_that_is_not_listed_is_refused_with_the_settings_name(front: Any, stubs: Any) -> None:
    body = {"model_vendor": "a", "model_name": "b", "upstream": {"url": "http://169.254.169.254/v1", "protocol": "tgi"}}
    reply = front.post("/v1/models/register", body)
    assert reply.status == 400
    assert "remote.allowed_hosts" in reply.error["message"]
    upstream = registry_pb.Upstream(url="https://h/v1", protocol="openai", model="m")
    with pytest.raises(grpc.RpcError, match=r"remote\.allowed_hosts"):
        stubs(front.grpc_address).registry.RegisterModel(
            registry_pb.RegisterModelRequest(model="a/b", upstream=upstream)
        )


@pytest.mark.slow
def test_a_model_of_another_panope_chats_through_this_one(front: Any, chat_server: Any, client: openai.OpenAI) -> None:
    register(front, CHAT, url=f"{chat_server.http_url}/v1", protocol="vllm", model=UPSTREAM_CHAT)
    asked: dict[str, Any] = {"messages": QUESTION, "max_tokens": 20, "temperature": 0}
    with openai.OpenAI(base_url=f"{chat_server.http_url}/v1", api_key="none", max_retries=0) as there:
        direct = there.chat.completions.create(model=UPSTREAM_CHAT, **asked)
    answer = client.chat.completions.create(model=CHAT, **asked)
    assert answer.choices == direct.choices
    assert answer.usage is not None
    assert direct.usage is not None
    assert answer.usage.prompt_tokens == direct.usage.prompt_tokens
    assert answer.usage.completion_tokens == direct.usage.completion_tokens
    assert "Paris" in str(answer.choices[0].message.content)
    with pytest.raises(openai.BadRequestError) as refusal:  # by the other one, whose engine does not honour it
        client.chat.completions.create(model=CHAT, **asked, logprobs=True)
    assert refusal.value.param == "logprobs"


@pytest.mark.parametrize(("protocol", "path"), [("openai", "/v1"), ("tei", "")])
def test_texts_are_embedded_there(
    front: Any, live_server: Any, client: openai.OpenAI, cosines: Any, protocol: str, path: str
) -> None:
    named = {"model": live_server.model} if protocol == "openai" else {}
    body = {"url": f"{live_server.http_url}{path}", "protocol": protocol, **named}
    register(front, f"acme/{protocol}", task_hints=["embed"], **body)
    texts = ["river", "quiet copper morning", "naïve 東京"] * 20
    with openai.OpenAI(base_url=f"{live_server.http_url}/v1", api_key="none", max_retries=0) as there:
        direct = there.embeddings.create(model=live_server.model, input=texts)
    found = client.embeddings.create(model=f"acme/{protocol}", input=texts)
    expected = np.array([each.embedding for each in direct.data])
    assert cosines([each.embedding for each in found.data], expected).min() > 0.9999
    if protocol == "openai":
        assert found.usage.prompt_tokens == direct.usage.prompt_tokens
    with pytest.raises(openai.BadRequestError) as refusal:
        client.embeddings.create(model=f"acme/{protocol}", input="a", dimensions=999)
    assert refusal.value.param == "dimensions"


def test_the_command_line_registers_it(
    front: Any, upstream: EchoUpstream, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    home = ("--home", tmp_path / "home")
    asked = ("register", "acme/far", "--remote", upstream.url, "--remote-protocol", "vllm", "--remote-model", MODEL)
    assert "remote.allowed_hosts" in panope(*asked, *home, code=1).err
    (tmp_path / "panope.toml").write_text('[remote]\nallowed_hosts = ["127.0.0.1"]\n')
    panope(*asked, *home)
    shown = panope("show", "acme/far", *home).out
    assert f"{MODEL} at {upstream.url}, by the protocol vllm" in shown


def test_a_server_that_is_gone_is_unavailable_and_comes_back(front: Any, client: openai.OpenAI) -> None:
    with EchoUpstream() as gone:
        register(front, "acme/gone", url=gone.url, protocol="vllm", model=MODEL)
        answer = client.completions.create(model="acme/gone", prompt="a", max_tokens=3, temperature=0)
        assert answer.choices[0].text == "a"
    started = time.monotonic()
    with pytest.raises(openai.InternalServerError) as failure:
        client.completions.create(model="acme/gone", prompt="a", max_tokens=3)
    assert failure.value.status_code == 503
    assert "cannot be reached" in str(failure.value)
    assert time.monotonic() - started < 30
    with EchoUpstream(port=gone.port):
        answer = client.completions.create(model="acme/gone", prompt="b", max_tokens=3, temperature=0)
        assert answer.choices[0].text == "b"
