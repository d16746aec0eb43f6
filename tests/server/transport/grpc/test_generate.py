"""GenerateService over real gRPC; the pipeline is real, what answers at its end is a script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from panope.v1 import generate_service_pb2 as pb
from panope.v1 import generate_service_pb2_grpc as pb_grpc
from panope.v1 import generation_pb2 as generation
from panope.v1.embed_service_pb2 import TokenSequence
from panope.v1.media_pb2 import Image
from panope_backends.errors import InvalidInputError
from panope_server.access.authentication import AnonymousAccess
from panope_server.observability.metrics import Metrics
from panope_server.pipeline.call import Call
from panope_server.pipeline.step import Pipeline
from panope_server.tasks.generate.types import (
    GenerateDelta,
    GenerateInput,
    GenerateOutput,
    GenerateUsage,
    Logprob,
    Sampling,
    TokenLogprobs,
    ToolCallDelta,
)
from panope_server.transport.grpc.generation.responses import in_messages
from panope_server.transport.grpc.generation.servicer import GenerateServicer
from panope_server.transport.interceptors.chain import interceptors_for
from panope_server.transport.running_calls import RunningCalls

MODEL = "acme/chat"
USAGE = GenerateUsage(7, 3, 2, 1)

Answer = Callable[[Call], AsyncIterator[GenerateOutput]]


class Served:
    """A running service, and what it was asked."""

    def __init__(self) -> None:
        self.inputs: list[GenerateInput] = []
        self.parts: list[GenerateOutput | Exception] = []
        self.ended = asyncio.Event()
        self.stub: pb_grpc.GenerateServiceAsyncStub

    async def answer(self, call: Call) -> None:
        assert isinstance(call.input, GenerateInput)
        self.inputs.append(call.input)
        call.resolved_model = "acme/chat@1"
        try:
            for part in self.parts:
                if isinstance(part, Exception):
                    raise part
                await call.output.put(part)
        finally:
            self.ended.set()


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    found = Served()
    interceptors = interceptors_for(
        RunningCalls(), Metrics(), AnonymousAccess(), log_requests=False, max_message_bytes=1 << 22
    )
    server = grpc.aio.server(interceptors=interceptors)
    pb_grpc.add_GenerateServiceServicer_to_server(GenerateServicer(Pipeline([], found.answer)), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        found.stub = pb_grpc.GenerateServiceStub(channel)
        yield found
    await server.stop(None)


def whole(*deltas: GenerateDelta) -> list[GenerateOutput | Exception]:
    return [GenerateOutput(list(deltas), USAGE)]


def field_of(error: grpc.aio.AioRpcError) -> str:
    """The field that an error names in its details."""
    status = status_pb2.Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    violations = error_details_pb2.BadRequest()
    assert any(detail.Unpack(violations) for detail in status.details)
    return str(violations.field_violations[0].field)


async def test_every_option_reaches_the_model(served: Served) -> None:
    served.parts = whole()
    options = generation.GenerationOptions(
        sampling=generation.SamplingParams(
            temperature=0.5,
            top_k=3,
            top_p=0.25,
            min_p=0.125,
            repetition_penalty=1.5,
            presence_penalty=-1,
            frequency_penalty=1,
            logit_bias={5: -100},
            seed=-7,
        ),
        max_tokens=9,
        min_tokens=2,
        n=3,
        stop=["END"],
        stop_token_ids=[4],
        include_stop=True,
        ignore_eos=True,
        skip_special_tokens=False,
        logprobs=0,
        prompt_logprobs=2,
        grammar=generation.Grammar(regex="a+"),
        priority=-3,
        truncate_prompt_tokens=100,
        prompt_lookup=generation.PromptLookup(num_tokens=4),
        cache_salt="tenant 7",
    )
    assert {field.name for field, _ in options.ListFields()} == set(options.DESCRIPTOR.fields_by_name)
    request = pb.GenerateRequest(model=MODEL, prompts=["a"], options=options, add_special_tokens=False, echo=True)
    await served.stub.Generate(request)
    (given,) = served.inputs
    assert (given.prompts, given.add_special_tokens, given.echo, given.stream) == (["a"], False, True, False)
    told = given.options
    assert told.sampling == Sampling(0.5, 3, 0.25, 0.125, 1.5, -1, 1, {5: -100}, -7)
    assert (told.max_tokens, told.min_tokens, told.n) == (9, 2, 3)
    assert (told.stop, told.stop_token_ids, told.include_stop, told.ignore_eos) == (["END"], [4], True, True)
    assert (told.skip_special_tokens, told.logprobs, told.prompt_logprobs) == (False, 0, 2)
    assert (told.grammar_kind, told.grammar_source, told.priority) == ("regex", "a+", -3)
    assert (told.truncate_prompt_tokens, told.lookup_tokens, told.lookup_max_ngram) == (100, 4, 3)
    assert told.cache_salt == "tenant 7"


async def test_what_is_not_set_is_left_to_the_model(served: Served) -> None:
    served.parts = whole()
    await served.stub.Generate(pb.GenerateRequest(model=MODEL, prompt_token_ids=[TokenSequence(ids=[1, 2])]))
    (given,) = served.inputs
    assert given == GenerateInput(prompt_token_ids=[[1, 2]])


async def test_answers_stand_in_order_with_all_that_is_told_of_them(served: Served) -> None:
    told = TokenLogprobs(Logprob(5, b"\xf0", -0.5), [Logprob(6, b"b", -1.5)])
    first = GenerateDelta(0, 0, "a", "", [], [5], [told], [told], "stop", "END")
    second = GenerateDelta(1, 0, "b", finish_reason="length", stop=7)
    served.parts = whole(second, first)
    response = await served.stub.Generate(pb.GenerateRequest(model=MODEL, prompts=["x", "y"]))
    assert response.model == "acme/chat@1"
    one, other = response.completions
    assert (one.prompt_index, one.index, one.text, list(one.token_ids)) == (0, 0, "a", [5])
    assert (one.finish_reason, one.stop.text) == (generation.FINISH_REASON_STOP, "END")
    assert (one.logprobs[0].chosen.text, one.logprobs[0].top[0].token_id) == (b"\xf0", 6)
    assert one.prompt_logprobs == one.logprobs
    assert (other.prompt_index, other.finish_reason, other.stop.token_id) == (1, generation.FINISH_REASON_LENGTH, 7)
    usage = response.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens, usage.reasoning_tokens) == (7, 3, 2, 1)


async def test_a_stream_sends_each_piece_and_the_usage_last(served: Served) -> None:
    served.parts = [
        GenerateOutput([GenerateDelta(text="a")]),
        GenerateOutput([GenerateDelta(text="b", finish_reason="stop")], USAGE),
    ]
    request = pb.StreamGenerateRequest(request=pb.GenerateRequest(model=MODEL, prompts=["x"]))
    parts = [part async for part in served.stub.StreamGenerate(request)]
    assert [part.deltas[0].text for part in parts] == ["a", "b"]
    assert [part.HasField("usage") for part in parts] == [False, True]
    assert served.inputs[0].stream


async def test_a_conversation_reaches_the_model_in_openais_form(served: Served) -> None:
    served.parts = whole()
    parameters = '{"type":"object","properties":{"b":{},"a":{}}}'
    request = pb.ChatRequest(
        model=MODEL,
        messages=[
            pb.ChatMessage(
                role=pb.CHAT_ROLE_DEVELOPER, content=[pb.ContentPart(text="Be"), pb.ContentPart(text="brief")]
            ),
            pb.ChatMessage(
                role=pb.CHAT_ROLE_ASSISTANT,
                reasoning="hm",
                tool_calls=[pb.ToolCall(id="c1", name="f", arguments_json="{}")],
            ),
            pb.ChatMessage(role=pb.CHAT_ROLE_TOOL, content=[pb.ContentPart(text="4")], tool_call_id="c1"),
            pb.ChatMessage(role=pb.CHAT_ROLE_USER, content=[pb.ContentPart(text="so?")], name="ann"),
        ],
        tools=[pb.Tool(name="f", description="d", parameters_json=parameters, strict=True), pb.Tool(name="g")],
        tool_choice=pb.ToolChoice(name="f"),
        parallel_tool_calls=False,
        template_kwargs_json='{"thinking": true}',
    )
    await served.stub.Chat(request)
    given = served.inputs[0].conversation
    assert given is not None
    call = {"id": "c1", "function": {"name": "f", "arguments": "{}"}, "type": "function"}
    assert json.loads(given.messages) == [
        {"role": "developer", "content": "Be\nbrief"},
        {"role": "assistant", "content": "", "reasoning": "hm", "tool_calls": [call]},
        {"role": "tool", "content": "4", "tool_call_id": "c1"},
        {"role": "user", "content": "so?", "name": "ann"},
    ]
    assert parameters.encode() in given.tools
    assert json.loads(given.tools)[1] == {"type": "function", "function": {"name": "g"}}
    assert (given.tool_choice, given.parallel_tool_calls) == ("name:f", False)
    assert given.template_kwargs == b'{"thinking": true}'


async def test_what_is_said_thought_and_called_is_told_apart(served: Served) -> None:
    delta = GenerateDelta(
        text="a", reasoning="r", tool_calls=[ToolCallDelta(0, "c", "f", "{}")], finish_reason="tool_calls"
    )
    request = pb.ChatRequest(model=MODEL, messages=[USER])
    served.parts = whole(delta)
    answer = (await served.stub.Chat(request)).answers[0]
    (part,) = [part async for part in served.stub.StreamChat(pb.StreamChatRequest(request=request))]
    assert part.deltas[0] == answer
    assert (answer.content, answer.reasoning, answer.tool_calls[0].arguments_json) == ("a", "r", "{}")
    assert answer.finish_reason == generation.FINISH_REASON_TOOL_CALLS


USER = pb.ChatMessage(role=pb.CHAT_ROLE_USER, content=[pb.ContentPart(text="a")])


def result(call_id: str) -> pb.ChatMessage:
    return pb.ChatMessage(role=pb.CHAT_ROLE_TOOL, content=[pb.ContentPart(text="")], tool_call_id=call_id)


def with_image(image: Image) -> pb.ChatMessage:
    return pb.ChatMessage(role=pb.CHAT_ROLE_USER, content=[pb.ContentPart(text="a"), pb.ContentPart(image=image)])


async def test_images_go_apart_from_messages_in_their_order(served: Served) -> None:
    served.parts = whole(GenerateDelta(text="a"))
    messages = [with_image(Image(content=b"file")), USER, with_image(Image(uri="data:;base64,aGk="))]
    await served.stub.Chat(pb.ChatRequest(model=MODEL, messages=messages))
    given = served.inputs[0].conversation
    assert given is not None
    parts = [{"type": "text", "text": "a"}, {"type": "image"}]
    assert json.loads(given.messages) == [
        {"role": "user", "content": parts},
        {"role": "user", "content": "a"},
        {"role": "user", "content": parts},
    ]
    assert [(image.content, image.data_url) for image in given.images] == [(b"file", ""), (b"", "data:;base64,aGk=")]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.ChatRequest(messages=[USER]), "model"),
        (pb.ChatRequest(model=MODEL), "messages"),
        (
            pb.ChatRequest(model=MODEL, messages=[with_image(Image(uri="file:///b.png"))]),
            "messages[0].content[1].image.uri",
        ),
        (pb.ChatRequest(model=MODEL, messages=[USER, pb.ChatMessage()]), "messages[1].role"),
        (pb.ChatRequest(model=MODEL, messages=[pb.ChatMessage(role=99)]), "messages[0].role"),
        (pb.ChatRequest(model=MODEL, messages=[USER, pb.ChatMessage(role=2)]), "messages[1].content"),
        (pb.ChatRequest(model=MODEL, messages=[pb.ChatMessage(role=3)]), "messages[0].content"),
        (pb.ChatRequest(model=MODEL, messages=[result("")]), "messages[0].tool_call_id"),
        (pb.ChatRequest(model=MODEL, messages=[USER, result("c9")]), "messages[1].tool_call_id"),
        (pb.ChatRequest(model=MODEL, messages=[USER], tools=[pb.Tool(name="a b")]), "tools[0].name"),
        (
            pb.ChatRequest(model=MODEL, messages=[USER], tools=[pb.Tool(name="a", parameters_json="[")]),
            "tools[0].parameters_json",
        ),
        (pb.ChatRequest(model=MODEL, messages=[USER], tool_choice=pb.ToolChoice(name="x")), "tool_choice"),
        (pb.ChatRequest(model=MODEL, messages=[USER], tool_choice=pb.ToolChoice(mode=9)), "tool_choice.mode"),
        (pb.ChatRequest(model=MODEL, messages=[USER], template_kwargs_json="7"), "template_kwargs_json"),
        (pb.ChatRequest(model=MODEL, messages=[USER], continue_final_message=True), "continue_final_message"),
        (pb.GenerateRequest(prompts=["a"]), "model"),
        (pb.GenerateRequest(model=MODEL), "prompts"),
        (pb.GenerateRequest(model=MODEL, prompts=["a"], prompt_token_ids=[TokenSequence(ids=[1])]), "prompt_token_ids"),
        (
            pb.GenerateRequest(
                model=MODEL,
                prompts=["a"],
                options=generation.GenerationOptions(prompt_lookup=generation.PromptLookup(max_ngram=2)),
            ),
            "options.prompt_lookup.max_ngram",
        ),
        (
            pb.GenerateRequest(
                model=MODEL,
                prompts=["a"],
                options=generation.GenerationOptions(grammar=generation.Grammar(json_object=False)),
            ),
            "options.grammar.json_object",
        ),
    ],
)
async def test_a_field_that_cannot_be_honoured_is_named(served: Served, request_: object, field: str) -> None:
    method = served.stub.Chat if isinstance(request_, pb.ChatRequest) else served.stub.Generate
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await method(request_)  # type: ignore[operator]  # each of its own kind
    assert (raised.value.code(), field_of(raised.value)) == (grpc.StatusCode.INVALID_ARGUMENT, field)
    assert served.inputs == []


@pytest.mark.parametrize(
    ("inside", "told"),
    [
        ("temperature", "options.sampling.temperature"),
        ("options.sampling.seed", "options.sampling.seed"),
        ("max_tokens", "options.max_tokens"),
        ("grammar", "options.grammar"),
        ("lookup_tokens", "options.prompt_lookup.num_tokens"),
        ("prompts[1]", "prompts[1]"),
        ("template_kwargs.x", "template_kwargs_json.x"),
    ],
)
async def test_what_the_model_refuses_is_named_as_the_message_has_it(served: Served, inside: str, told: str) -> None:
    served.parts = [InvalidInputError.at(inside, "{field} is wrong")]
    request = pb.GenerateRequest(model=MODEL, prompts=["a"])
    for call in (
        served.stub.Generate(request),
        anext(aiter(served.stub.StreamGenerate(pb.StreamGenerateRequest(request=request)))),
    ):
        with pytest.raises(grpc.aio.AioRpcError, match="is wrong") as raised:
            await call
        assert field_of(raised.value) == told


async def test_a_stream_that_fails_in_the_middle_ends_with_a_status(served: Served) -> None:
    served.parts = [GenerateOutput([GenerateDelta(text="a")]), RuntimeError("secret")]
    request = pb.StreamChatRequest(request=pb.ChatRequest(model=MODEL, messages=[USER]))
    stream = served.stub.StreamChat(request)
    assert (await anext(aiter(stream))).deltas[0].content == "a"
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await anext(aiter(stream))
    assert raised.value.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in str(raised.value.details())


async def test_a_caller_that_goes_and_one_that_does_not_read_end_the_call(served: Served) -> None:
    served.parts = [GenerateOutput([GenerateDelta(text="a" * 60_000)])] * 10_000
    request = pb.StreamChatRequest(request=pb.ChatRequest(model=MODEL, messages=[USER]))
    stream = served.stub.StreamChat(request)
    await anext(aiter(stream))
    await asyncio.sleep(0.2)  # by now the server waits for the reader
    stream.cancel()
    async with asyncio.timeout(0.5):
        await served.ended.wait()


def test_a_long_prompt_is_told_of_in_messages_of_a_bounded_size() -> None:
    told = [TokenLogprobs(Logprob(5, b"word", -0.5), [Logprob(6, b"other", -1.5)] * 20)] * 3000
    part = GenerateOutput([GenerateDelta(text="a"), GenerateDelta(1, text="b", prompt_logprobs=told)], USAGE)
    pieces = in_messages(part)
    assert len(pieces) > 1
    assert [piece.usage for piece in pieces] == [None] * (len(pieces) - 1) + [USAGE]
    deltas = [delta for piece in pieces for delta in piece.deltas]
    assert sum(len(delta.prompt_logprobs) for delta in deltas) == 3000
    assert [delta.text for delta in deltas if delta.text] == ["a", "b"]
    assert all(sum(len(delta.prompt_logprobs) for delta in piece.deltas) <= 256 for piece in pieces)


def test_many_answers_are_told_of_in_several_messages() -> None:
    part = GenerateOutput([GenerateDelta(index=index) for index in range(1000)])
    pieces = in_messages(part)
    assert [delta.index for piece in pieces for delta in piece.deltas] == list(range(1000))
    assert max(len(piece.deltas) for piece in pieces) <= 256
