"""A key's limits on requests hold for methods that run no model; on a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue as Value

from panope_registry.access.budgets import Demand, Grant
from panope_registry.access.limits import Counted, Limit, Period
from panope_registry.access.scopes import EVERY_SCOPE
from panope_server.access import caller as access
from panope_server.access.limiter import Limiter
from panope_server.access.principal import Principal
from panope_server.observability.metrics import Metrics
from panope_server.transport.interceptors.chain import interceptors_for
from panope_server.transport.running_calls import RunningCalls

JOBS = "/panope.v1.JobService/"
LIMITS = (Limit(Counted.REQUESTS, 3, Period.HOUR), Limit(Counted.TOKENS, 1, Period.DAY))


class Doors:
    """Lets everybody in, as a key with limits."""

    async def principal_of(self, caller: access.Caller) -> Principal:
        return Principal("ci", "A" * 12, EVERY_SCOPE, limits=LIMITS)

    def is_live(self, principal: Principal) -> bool:
        return True


class Service(grpc.GenericRpcHandler):
    """Methods that answer."""

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        async def unary(_: Value, __: object) -> Value:
            return Value()

        async def stream(_: Value, __: object) -> AsyncIterator[Value]:
            yield Value()

        if details.method.endswith("WatchJob"):
            return grpc.unary_stream_rpc_method_handler(stream, Value.FromString, Value.SerializeToString)
        return grpc.unary_unary_rpc_method_handler(unary, Value.FromString, Value.SerializeToString)


async def take(demands: Sequence[Demand]) -> Sequence[Grant]:
    """Hands out three in all, one at a time."""
    left = 3 - take.given  # type: ignore[attr-defined]  # of this test
    granted = float(min(left, 1))
    take.given += granted  # type: ignore[attr-defined]
    return [Grant(granted, left - granted, 60.0) for _ in demands]


@pytest.fixture
async def channel() -> AsyncIterator[grpc.aio.Channel]:
    take.given = 0  # type: ignore[attr-defined]
    interceptors = interceptors_for(
        RunningCalls(), Metrics(), Doors(), log_requests=False, max_message_bytes=1000, limiter=Limiter(take)
    )
    server = grpc.aio.server(interceptors=interceptors)
    server.add_generic_rpc_handlers([Service()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(0)


async def test_calls_past_the_rate_are_refused_with_the_time_to_come_back(channel: grpc.aio.Channel) -> None:
    job = channel.unary_unary(f"{JOBS}GetJob")
    first = job(b"")
    await first
    told = dict(await first.initial_metadata())
    assert (told["x-ratelimit-limit-requests"], told["x-ratelimit-remaining-requests"]) == ("3", "2")
    assert [answer async for answer in channel.unary_stream(f"{JOBS}WatchJob")(b"")] == [b""]
    await channel.unary_unary("/panope.rest.v1.RegistryService/DeleteModel")(b"")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await job(b"")
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert caught.value.details() == "the key has a limit of 3 requests a hour"
    assert dict(caught.value.trailing_metadata())["retry-after-ms"]


async def test_health_and_calls_on_models_are_not_counted_here(channel: grpc.aio.Channel) -> None:
    for method in ("/grpc.health.v1.Health/Check", "/panope.v1.EmbedService/Embed"):
        for _ in range(5):
            await channel.unary_unary(method)(b"")
    assert take.given == 0  # type: ignore[attr-defined]
