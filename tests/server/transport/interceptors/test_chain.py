"""What every gRPC call passes: an authenticator, accounting, and errors as status; on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from typing import Any

import grpc
import pytest
import structlog
from google.protobuf.wrappers_pb2 import StringValue as Value
from structlog.testing import LogCapture

from panope_backends.errors import NotFoundError
from panope_registry.access.scopes import Scopes
from panope_server.access import caller as access
from panope_server.access.authentication import unauthenticated
from panope_server.access.principal import Principal, current_principal
from panope_server.observability.call_record import mark_counted
from panope_server.observability.metrics import Metrics
from panope_server.transport.interceptors import accounting
from panope_server.transport.interceptors.chain import interceptors_for
from panope_server.transport.interceptors.requests import HEADROOM_BYTES
from panope_server.transport.running_calls import RunningCalls

MAX_MESSAGE_BYTES = 1000

JOBS = "/panope.v1.JobService/"
SLOW = Value(value="slow").SerializeToString()
BUSY = Value(value="busy").SerializeToString()
#: That are told to end while gRPC sends for nearly all of them.
STREAMS = 32


class Doors:
    """Knows one caller."""

    async def principal_of(self, caller: access.Caller) -> Principal:
        if caller.metadata.get("authorization") != "Bearer ada":
            raise unauthenticated()
        return Principal("ada", scopes=Scopes.parse(["jobs:*"]))

    def is_live(self, principal: Principal) -> bool:
        return True


class Service(grpc.GenericRpcHandler):
    """Methods that tell who calls."""

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        async def who(request: Value, _: object) -> Value:
            if request.value == "slow":
                await asyncio.Event().wait()
            return Value(value=current_principal().name)

        async def piped(_: Value, __: object) -> Value:
            mark_counted()
            return Value(value="")

        async def missing(_: Value, __: object) -> Value:
            raise NotFoundError("there is no such job", field="id")

        async def watch(request: Value, _: object) -> AsyncIterator[Value]:
            for _ in range(2):
                yield Value(value=current_principal().name)
            if request.value == "slow":
                await asyncio.Event().wait()
            while request.value == "busy":
                yield Value(value=current_principal().name)

        unary, streaming = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        return {
            f"{JOBS}GetJob": unary(who, Value.FromString, Value.SerializeToString),
            f"{JOBS}ListJobs": unary(piped, Value.FromString, Value.SerializeToString),
            f"{JOBS}CancelJob": unary(missing, Value.FromString, Value.SerializeToString),
            f"{JOBS}WatchJob": streaming(watch, Value.FromString, Value.SerializeToString),
            "/panope.v1.RegistryService/DeleteModel": unary(who, Value.FromString, Value.SerializeToString),
            "/panope.v1.NewService/Method": unary(who, Value.FromString, Value.SerializeToString),
            "/grpc.health.v1.Health/Check": unary(who, Value.FromString, Value.SerializeToString),
        }.get(details.method)


class Caller:
    """Calls the methods with a key.

    Attributes:
        lines: of the log, one for each call.
        calls: that run.
    """

    def __init__(self, channel: grpc.aio.Channel, metrics: Metrics, lines: Sequence[Any], calls: RunningCalls) -> None:
        self.lines = lines
        self.calls = calls
        self._channel = channel
        self._metrics = metrics

    async def unary(self, method: str, key: str = "ada", request: bytes = b"") -> str:
        call = self._channel.unary_unary(method, response_deserializer=Value.FromString)
        answer: Value = await call(request, metadata=(("authorization", f"Bearer {key}"),))
        return answer.value

    async def stream(self, method: str, request: bytes = b"") -> list[str]:
        return [answer.value async for answer in self.parts(method, request)]

    def parts(self, method: str, request: bytes = b"") -> AsyncIterable[Value]:
        """The answers of a stream as they come."""
        call = self._channel.unary_stream(method, response_deserializer=Value.FromString)
        made: AsyncIterable[Value] = call(request, metadata=(("authorization", "Bearer ada"),))
        return made

    def counted(self) -> dict[tuple[str, str], float]:
        """Calls by interface and code."""
        samples = [sample for metric in self._metrics.requests.collect() for sample in metric.samples]
        return {
            (sample.labels["interface"], sample.labels["code"]): sample.value
            for sample in samples
            if sample.name.endswith("_total")
        }


@pytest.fixture
async def caller(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Caller]:
    metrics, log = Metrics(), LogCapture()
    # A logger of its own, for what another test has configured stays.
    logger = structlog.wrap_logger(None, processors=[log], wrapper_class=structlog.BoundLogger)
    monkeypatch.setattr(accounting, "_log", logger)
    calls = RunningCalls()
    interceptors = interceptors_for(calls, metrics, Doors(), log_requests=True, max_message_bytes=MAX_MESSAGE_BYTES)
    server = grpc.aio.server(interceptors=interceptors)
    server.add_generic_rpc_handlers([Service()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Caller(channel, metrics, log.entries, calls)
    await server.stop(0)


async def test_methods_know_who_calls_whether_they_answer_once_or_as_a_stream(caller: Caller) -> None:
    assert await caller.unary(f"{JOBS}GetJob") == "ada"
    assert await caller.stream(f"{JOBS}WatchJob") == ["ada", "ada"]


async def test_a_caller_that_nobody_knows_is_refused_before_its_message_is_looked_at(caller: Caller) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await caller.unary(f"{JOBS}GetJob", key="eve", request=b"\xff no message")
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert caller.counted() == {("JobService/GetJob", "UNAUTHENTICATED"): 1}


@pytest.mark.parametrize("method", ["/panope.v1.RegistryService/DeleteModel", "/panope.v1.NewService/Method"])
async def test_a_caller_that_is_known_may_call_only_what_its_scopes_name_and_somebody_decided_on(
    caller: Caller, method: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await caller.unary(method, request=b"\xff no message")
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_who_sends_no_good_key_is_told_how_to_come_in(caller: Caller) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await caller.unary(f"{JOBS}GetJob", key="eve")
    assert dict(caught.value.trailing_metadata())["www-authenticate"] == "Bearer"


async def test_a_call_that_outlasts_the_servers_end_hears_from_the_server_that_it_may_be_tried_again(
    caller: Caller,
) -> None:
    running = asyncio.ensure_future(caller.unary(f"{JOBS}GetJob", request=SLOW))
    while not caller.calls.count:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.001)
    caller.calls.refuse_rest()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running
    await check_is_told_to_try_again(caller, caught.value)


async def test_a_stream_that_outlasts_the_servers_end_hears_the_same(caller: Caller) -> None:
    answers = aiter(caller.parts(f"{JOBS}WatchJob", SLOW))
    for _ in range(2):  # all that the method sends before it waits
        await anext(answers)
    caller.calls.refuse_rest()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await anext(answers)
    await check_is_told_to_try_again(caller, caught.value)


async def test_streams_that_send_all_the_time_hear_the_same_when_they_outlast_the_servers_end(caller: Caller) -> None:
    reading, begun = [], asyncio.Semaphore(0)

    async def read_on() -> None:
        answers = aiter(caller.parts(f"{JOBS}WatchJob", BUSY))
        await anext(answers)
        begun.release()
        async for _ in answers:
            pass

    for _ in range(STREAMS):
        reading.append(asyncio.ensure_future(read_on()))
        await begun.acquire()
    caller.calls.refuse_rest()
    async with asyncio.timeout(30):
        errors = await asyncio.gather(*reading, return_exceptions=True)
    for error in errors:
        assert isinstance(error, grpc.aio.AioRpcError)
        await check_is_told_to_try_again(caller, error)


async def test_a_call_that_begins_when_the_others_were_told_to_end_hears_the_same(caller: Caller) -> None:
    caller.calls.refuse_rest()
    for answer in (caller.unary(f"{JOBS}GetJob"), caller.stream(f"{JOBS}WatchJob")):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await answer
        await check_is_told_to_try_again(caller, caught.value)


async def check_is_told_to_try_again(caller: Caller, error: grpc.aio.AioRpcError) -> None:
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    await caller.calls.quiet(0)  # a caller can hear of its end before the server has counted it
    assert caller.calls.count == 0
    assert "the server is stopping" in str(error.details())
    trailers = dict(error.trailing_metadata())
    assert (trailers["retry-after-ms"], trailers.get("x-should-retry")) == ("1000", None)


async def test_health_answers_everybody(caller: Caller) -> None:
    assert await caller.unary("/grpc.health.v1.Health/Check", key="eve") == ""


async def test_calls_that_reach_no_pipeline_are_counted_and_logged_with_their_caller(caller: Caller) -> None:
    await caller.unary(f"{JOBS}GetJob")
    await caller.stream(f"{JOBS}WatchJob")
    with pytest.raises(grpc.aio.AioRpcError):
        await caller.unary(f"{JOBS}CancelJob")
    with pytest.raises(grpc.aio.AioRpcError):
        await caller.unary(f"{JOBS}GetJob", request=b"\xff no message")
    assert caller.counted() == {
        ("JobService/GetJob", "OK"): 1,
        ("JobService/WatchJob", "OK"): 1,
        ("JobService/CancelJob", "NOT_FOUND"): 1,
        ("JobService/GetJob", "INVALID_ARGUMENT"): 1,
    }
    calls = caller.lines
    assert [line["interface"] for line in calls] == [
        "JobService/GetJob",
        "JobService/WatchJob",
        "JobService/CancelJob",
        "JobService/GetJob",
    ]
    assert {line["principal"] for line in calls} == {"ada"}
    assert (calls[2]["code"], calls[2]["reason"], calls[2]["field"]) == ("NOT_FOUND", "not_found", "id")
    assert all(line["request_id"] for line in calls)


async def test_what_the_pipeline_has_counted_is_not_counted_again(caller: Caller) -> None:
    await caller.unary(f"{JOBS}ListJobs")
    assert caller.counted() == {}


async def test_health_checks_are_not_counted(caller: Caller) -> None:
    await caller.unary("/grpc.health.v1.Health/Check")
    assert caller.counted() == {}


async def test_a_message_that_is_too_large_is_no_overload_that_clients_would_try_again(caller: Caller) -> None:
    # A field that the message does not have, repeated: it counts by its bytes alone.
    largest = b"\x78\x00" * ((MAX_MESSAGE_BYTES + HEADROOM_BYTES) // 2)
    assert await caller.unary(f"{JOBS}GetJob", request=largest) == "ada"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await caller.unary(f"{JOBS}GetJob", request=largest + b"\x78\x00")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "the limit is 1,000" in str(caught.value.details())
    assert {key for key, _ in caught.value.trailing_metadata()} & {"retry-after", "grpc-retry-pushback-ms"} == set()
