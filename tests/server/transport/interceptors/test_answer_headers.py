"""Headers of an answer: sent once, before its first message, whoever added them; with an error in its status."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue as Value

from panope_backends.errors import NotFoundError
from panope_server.access.authentication import AnonymousAccess
from panope_server.observability.metrics import Metrics
from panope_server.transport.interceptors.answer_headers import headers_of
from panope_server.transport.interceptors.chain import interceptors_for
from panope_server.transport.running_calls import RunningCalls

METHODS = "/panope.v1.JobService/"


class Service(grpc.GenericRpcHandler):
    """Methods that tell facts beside their answers."""

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        async def one(_: Value, context: Any) -> Value:
            async def deep() -> None:
                headers_of(context)["x-deep"] = "2"

            headers_of(context)["x-cache"] = "hit"
            await asyncio.create_task(deep())
            return Value(value="answer")

        async def several(_: Value, context: Any) -> AsyncIterator[Value]:
            headers_of(context)["x-cache"] = "miss"
            yield Value(value="first")
            headers_of(context)["x-late"] = "nobody reads it"
            yield Value(value="second")

        async def missing(_: Value, context: Any) -> Value:
            headers_of(context)["x-cache"] = "miss"
            raise NotFoundError("there is no such model")

        async def both_ways(requests: AsyncIterator[Value], context: Any) -> AsyncIterator[Value]:
            async for request in requests:
                headers_of(context)["x-cache"] = "hit"
                yield request

        kinds: dict[str, Any] = {
            "GetJob": (grpc.unary_unary_rpc_method_handler, one),
            "WatchJob": (grpc.unary_stream_rpc_method_handler, several),
            "CancelJob": (grpc.unary_unary_rpc_method_handler, missing),
            "RetryJob": (grpc.stream_stream_rpc_method_handler, both_ways),
        }
        make, behaviour = kinds[details.method.removeprefix(METHODS)]
        return make(behaviour, Value.FromString, Value.SerializeToString)


@pytest.fixture
async def channel() -> AsyncIterator[grpc.aio.Channel]:
    interceptors = interceptors_for(
        RunningCalls(), Metrics(), AnonymousAccess(), log_requests=False, max_message_bytes=1000
    )
    server = grpc.aio.server(interceptors=interceptors)
    server.add_generic_rpc_handlers([Service()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as opened:
        yield opened
    await server.stop(0)


async def test_what_any_task_of_a_call_adds_goes_before_its_answer(channel: grpc.aio.Channel) -> None:
    call = channel.unary_unary(f"{METHODS}GetJob", response_deserializer=Value.FromString)(b"")
    assert (await call).value == "answer"
    assert dict(await call.initial_metadata()) == {"x-cache": "hit", "x-deep": "2"}


async def test_a_stream_is_told_once_before_its_first_message(channel: grpc.aio.Channel) -> None:
    call = channel.unary_stream(f"{METHODS}WatchJob", response_deserializer=Value.FromString)(b"")
    assert [answer.value async for answer in call] == ["first", "second"]
    assert dict(await call.initial_metadata()) == {"x-cache": "miss"}


async def test_an_error_carries_them_in_its_status(channel: grpc.aio.Channel) -> None:
    call = channel.unary_unary(f"{METHODS}CancelJob")(b"")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert dict(caught.value.trailing_metadata() or ())["x-cache"] == "miss"


async def test_a_stream_of_requests_begins_its_answer_at_once_and_tells_nothing_later(
    channel: grpc.aio.Channel,
) -> None:
    call = channel.stream_stream(f"{METHODS}RetryJob", response_deserializer=Value.FromString)()
    assert not dict(await call.initial_metadata())
    await call.write(Value(value="a").SerializeToString())
    assert (await call.read()).value == "a"
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
