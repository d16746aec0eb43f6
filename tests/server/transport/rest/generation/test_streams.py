"""Answers as streams: comments while nothing comes, callers that go away, answers that are large."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from collections.abc import AsyncIterator, Callable

import pytest
from google.api.httpbody_pb2 import HttpBody
from rest_doubles.models import GENERATOR, FakeModels, model_views

from panope_backends.errors import InvalidInputError, OverloadedError
from panope_server.pipeline.call import Call
from panope_server.pipeline.resolve import Resolve
from panope_server.pipeline.step import Pipeline
from panope_server.tasks.generate.types import GenerateDelta, GenerateOutput, GenerateUsage
from panope_server.transport.interceptors.answer_headers import headers_of
from panope_server.transport.rest.generation.responses import Responder
from panope_server.transport.rest.json.responses import PIECE_BYTES
from panope_server.transport.rest.openai.generation_servicer import OpenAiGenerationServicer

CHAT = "/v1/chat/completions"
BODY = {"model": GENERATOR, "messages": [{"role": "user", "content": "Hi"}], "stream": True}
END = GenerateOutput([GenerateDelta(text="!", finish_reason="stop")], GenerateUsage(1, 1))


class Context:
    """A call as gRPC hands it over."""

    def invocation_metadata(self) -> list[tuple[str, str]]:
        return []

    def time_remaining(self) -> None:
        return None

    def peer(self) -> str:
        return "ipv4:127.0.0.1:50000"


async def answered(
    answer: Callable[[Call], AsyncIterator[GenerateOutput]],
    body: object = BODY,
    context: Context | None = None,
    *,
    report: bool = False,
) -> AsyncIterator[HttpBody]:
    """The messages of an answer, of a servicer whose model answers so."""

    async def run(call: Call) -> None:
        async for part in answer(call):
            await call.output.put(part)

    pipeline = Pipeline([Resolve(FakeModels(model_views()))], run)
    servicer = OpenAiGenerationServicer(Responder(pipeline, ping_seconds=0.05), report_unknown=report)
    request = HttpBody(content_type="application/json", data=json.dumps(body).encode())
    async for message in servicer.CreateChatCompletion(request, context or Context()):
        yield message


async def test_a_comment_tells_that_a_silent_stream_lives() -> None:
    async def slow(call: Call) -> AsyncIterator[GenerateOutput]:
        await asyncio.sleep(0.18)
        yield END

    first, *comments, chunk, done = [message async for message in answered(slow)]
    assert (first.data, first.content_type) == (b": ping\n\n", "text/event-stream; charset=utf-8")
    assert {comment.data for comment in comments} <= {b": ping\n\n"}
    assert b'"content":"!"' in chunk.data
    assert done.data == b"data: [DONE]\n\n"


async def test_an_error_after_a_comment_is_an_event() -> None:
    async def failing(call: Call) -> AsyncIterator[GenerateOutput]:
        await asyncio.sleep(0.1)
        raise OverloadedError("the queue is full")
        yield END

    *_, last = [message async for message in answered(failing)]
    assert json.loads(last.data.removeprefix(b"data: "))["error"]["code"] == "overloaded"


async def test_an_error_before_everything_is_raised_for_its_status() -> None:
    async def failing(call: Call) -> AsyncIterator[GenerateOutput]:
        raise OverloadedError("the queue is full")
        yield END

    with pytest.raises(OverloadedError):
        [message async for message in answered(failing)]


async def test_a_stream_that_is_left_ends_its_call_at_once() -> None:
    ended = asyncio.Event()

    async def endless(call: Call) -> AsyncIterator[GenerateOutput]:
        try:
            while True:
                yield GenerateOutput([GenerateDelta(text="a")])
                await asyncio.sleep(0)
        finally:
            ended.set()

    messages = answered(endless)
    await anext(messages)
    await messages.aclose()  # type: ignore[attr-defined]  # it is a generator
    async with asyncio.timeout(0.1):
        await ended.wait()


def test_a_client_that_goes_away_ends_its_generation(edge):
    edge.instances.hold = True
    connection = http.client.HTTPConnection("127.0.0.1", edge.http_port, timeout=10)
    connection.request("POST", CHAT, json.dumps(BODY), {"content-type": "application/json"})
    assert edge.instances.held.wait(5)
    left = time.monotonic()
    connection.close()
    assert edge.instances.cancelled.wait(5)
    assert time.monotonic() - left < 0.5


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_of_several_megabytes_arrives_whole(edge, stream):
    text = "wörd " * 800_000
    edge.instances.script.deltas = [GenerateDelta(text=text, finish_reason="length")]
    reply = edge.post(CHAT, {**BODY, "stream": stream})
    assert reply.status == 200
    if stream:
        chunk = json.loads(reply.body.decode().split("\n\n")[0].removeprefix("data: "))
        assert chunk["choices"][0]["delta"]["content"] == text
    else:
        assert reply.json["choices"][0]["message"]["content"] == text


async def test_no_message_is_larger_than_envoy_passes_on() -> None:
    async def large(call: Call) -> AsyncIterator[GenerateOutput]:
        yield GenerateOutput([GenerateDelta(text="a" * 3 * PIECE_BYTES)])
        yield END

    sizes = [len(message.data) async for message in answered(large)]
    assert max(sizes) == PIECE_BYTES


@pytest.mark.parametrize("stream", [False, True])
async def test_a_server_that_reports_passes_over_what_nobody_knows_and_tells_it_once(stream: bool) -> None:
    async def quick(call: Call) -> AsyncIterator[GenerateOutput]:
        yield END

    context = Context()
    body = {**BODY, "stream": stream, "zzz": 1, "best_of": 1}
    assert [message async for message in answered(quick, body, context, report=True)]
    assert headers_of(context) == {"x-panope-ignored-fields": "zzz"}


async def test_a_server_that_reports_refuses_all_the_same_what_changes_an_answer() -> None:
    async def quick(call: Call) -> AsyncIterator[GenerateOutput]:
        yield END

    with pytest.raises(InvalidInputError, match="`functions` is refused: use `tools`"):
        [message async for message in answered(quick, {**BODY, "zzz": 1, "functions": [{}]}, report=True)]


@pytest.mark.parametrize("report", [False, True])
async def test_a_body_that_ends_after_an_unknown_field_is_no_json(report: bool) -> None:
    async def quick(call: Call) -> AsyncIterator[GenerateOutput]:
        yield END

    pipeline = Pipeline([], lambda call: asyncio.sleep(0))
    servicer = OpenAiGenerationServicer(Responder(pipeline), report_unknown=report)
    request = HttpBody(content_type="application/json", data=b'{"zzz": 1, "messages": [')
    with pytest.raises(InvalidInputError) as raised:
        [message async for message in servicer.CreateChatCompletion(request, Context())]
    assert raised.value.reason == "invalid_json"
