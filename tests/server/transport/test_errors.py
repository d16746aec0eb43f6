from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import grpc
import pytest
from google.protobuf.struct_pb2 import Value
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from panope_backends import errors as tree
from panope_server.transport.errors import TABLE, code_of, status_of, trailers_of
from panope_server.transport.interceptors.errors import ErrorInterceptor
from panope_server.transport.interceptors.requests import RequestInterceptor
from panope_server.transport.running_calls import RunningCalls


def kinds(root: type[tree.PanopeError] = tree.PanopeError) -> Iterator[type[tree.PanopeError]]:
    for kind in root.__subclasses__():
        yield kind
        yield from kinds(kind)


@pytest.mark.parametrize("kind", list(kinds()), ids=lambda kind: kind.__name__)
def test_every_error_of_the_tree_has_a_code_of_its_own_kind(kind: type[tree.PanopeError]) -> None:
    assert code_of(kind("said")) in {code for _, code, _ in TABLE}
    assert (code_of(kind("said")) is grpc.StatusCode.INTERNAL) == issubclass(kind, tree.InternalError)


def test_details_name_the_reason_first_then_the_field_then_the_time_to_wait() -> None:
    error = tree.OverloadedError("full", field="texts", retry_after_seconds=0.25)
    info, bad, retry = status_of(error).details
    unpacked = error_details_pb2.ErrorInfo()
    assert info.Unpack(unpacked)
    assert (unpacked.reason, unpacked.domain) == ("OVERLOADED", "panope")
    assert dict(unpacked.metadata) == {"type": "rate_limit_error", "code": "overloaded", "param": "texts"}
    violation = error_details_pb2.BadRequest()
    assert bad.Unpack(violation)
    assert violation.field_violations[0].field == "texts"
    wait = error_details_pb2.RetryInfo()
    assert retry.Unpack(wait)
    assert wait.retry_delay.ToMilliseconds() == 250


def test_an_errors_own_details_are_metadata_and_cannot_hide_what_is_always_there() -> None:
    error = tree.PreconditionError("undecided", reason="ambiguous_task", details={"candidates": "a,b", "type": "x"})
    (info,) = status_of(error).details
    unpacked = error_details_pb2.ErrorInfo()
    info.Unpack(unpacked)
    assert unpacked.reason == "AMBIGUOUS_TASK"
    assert dict(unpacked.metadata) == {
        "candidates": "a,b",
        "type": "invalid_request_error",
        "code": "ambiguous_task",
    }


def test_trailers_tell_clients_when_to_retry_and_when_never_to() -> None:
    overloaded = dict(trailers_of(tree.OverloadedError("full", retry_after_seconds=1.2)))
    assert (overloaded["retry-after-ms"], overloaded["retry-after"]) == ("1200", "2")
    assert overloaded["grpc-retry-pushback-ms"] == "1200"
    assert "x-should-retry" not in overloaded
    assert dict(trailers_of(tree.DeadlineError("late")))["x-should-retry"] == "false"


class Faulty(grpc.GenericRpcHandler):
    """Methods that fail in every way."""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        parse, print_ = Value.FromString, Value.SerializeToString

        async def secret(request: Value, context: object) -> Value:
            raise RuntimeError("/secret/path token=abc")

        async def known(request: Value, context: object) -> Value:
            raise tree.InvalidInputError("`texts` is empty", field="texts")

        async def stream(request: Value, context: object) -> AsyncIterator[Value]:
            yield Value(number_value=1)
            raise RuntimeError("/secret/path")

        async def both(requests: AsyncIterator[Value], context: object) -> AsyncIterator[Value]:
            async for request in requests:
                yield request

        return {
            "/t/Secret": grpc.unary_unary_rpc_method_handler(secret, parse, print_),
            "/t/Known": grpc.unary_unary_rpc_method_handler(known, parse, print_),
            "/t/Stream": grpc.unary_stream_rpc_method_handler(stream, parse, print_),
            "/t/Both": grpc.stream_stream_rpc_method_handler(both, parse, print_),
        }.get(details.method)


@pytest.fixture
async def channel() -> AsyncIterator[grpc.aio.Channel]:
    calls = RunningCalls()
    server = grpc.aio.server(interceptors=[ErrorInterceptor(calls), RequestInterceptor(calls, 1 << 20)])
    server.add_generic_rpc_handlers([Faulty()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(0)


async def failure(call: object) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call  # type: ignore[misc]  # the stub has no types
    return caught.value


async def test_an_unexpected_exception_reaches_the_caller_as_a_request_id_alone(channel: grpc.aio.Channel) -> None:
    error = await failure(channel.unary_unary("/t/Secret")(b"", metadata=(("x-request-id", "req-7"),)))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "req-7" in (error.details() or "")
    assert "secret" not in str(error)
    assert "token" not in str(error)


async def test_a_known_error_arrives_with_its_details(channel: grpc.aio.Channel) -> None:
    error = await failure(channel.unary_unary("/t/Known")(b""))
    assert (error.code(), error.details()) == (grpc.StatusCode.INVALID_ARGUMENT, "`texts` is empty")
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # a stand-in
    assert [any_.TypeName() for any_ in status.details] == ["google.rpc.ErrorInfo", "google.rpc.BadRequest"]


@pytest.mark.parametrize("method", ["/t/Known", "/t/Secret"])
async def test_malformed_protobuf_is_the_callers_fault(channel: grpc.aio.Channel, method: str) -> None:
    error = await failure(channel.unary_unary(method)(b"\xff\xff\xff"))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "not valid protobuf" in (error.details() or "")


async def test_malformed_protobuf_inside_a_stream_is_the_callers_fault(channel: grpc.aio.Channel) -> None:
    call = channel.stream_stream("/t/Both")(iter([b"\xff\xff"]))
    error = await failure(call.read())
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_stream_that_breaks_ends_with_a_status_and_never_cleanly(channel: grpc.aio.Channel) -> None:
    call = channel.unary_stream("/t/Stream")(b"")
    first = await call.read()
    assert Value.FromString(first).number_value == 1
    error = await failure(call.read())
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in (error.details() or "")


async def test_an_unknown_method_is_unimplemented(channel: grpc.aio.Channel) -> None:
    error = await failure(channel.unary_unary("/t/None")(b""))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_cancelling_a_call_is_not_reported_as_an_error(channel: grpc.aio.Channel) -> None:
    call = channel.stream_stream("/t/Both")()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call.read()
