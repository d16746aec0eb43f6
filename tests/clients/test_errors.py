"""The server's errors as the clients' exceptions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pytest

import panope_client
from panope_backends import errors as tree
from panope_client import PanopeClientError
from panope_client.status import error_of
from panope_server.transport.errors import TABLE

MODEL = "vendor/fake"

KINDS = {
    grpc.StatusCode.INVALID_ARGUMENT: panope_client.InvalidInputError,
    grpc.StatusCode.UNAUTHENTICATED: panope_client.UnauthenticatedError,
    grpc.StatusCode.PERMISSION_DENIED: panope_client.PermissionDeniedError,
    grpc.StatusCode.NOT_FOUND: panope_client.NotFoundError,
    grpc.StatusCode.FAILED_PRECONDITION: panope_client.PreconditionError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: panope_client.OverloadedError,
    grpc.StatusCode.UNAVAILABLE: panope_client.UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: panope_client.DeadlineError,
}


@pytest.mark.parametrize(("kind", "code"), [row[:2] for row in TABLE], ids=[row[0].__name__ for row in TABLE])
async def test_every_error_of_the_server_has_its_exception(
    client: Any, fake: Any, kind: type[tree.PanopeError], code: grpc.StatusCode
) -> None:
    fake.failures.append(kind("a sentence", reason="a_reason", field="inputs[x]"))

    with pytest.raises(PanopeClientError) as caught:
        await client.embed(["a"], MODEL)

    error = caught.value
    assert type(error) is KINDS.get(code, PanopeClientError)
    assert (error.code, error.message, error.reason, error.field) == (code, "a sentence", "a_reason", "inputs[x]")
    assert str(error) == "a sentence (a_reason)"


async def test_the_hint_and_the_request_id_are_kept(client: Any, fake: Any) -> None:
    fake.failures.append((grpc.StatusCode.UNAVAILABLE, "later", (("retry-after-ms", "90000"), ("x-request-id", "r1"))))

    with pytest.raises(panope_client.UnavailableError) as caught:
        await client.embed(["a"], MODEL)

    assert (caught.value.retry_after_seconds, caught.value.request_id) == (90.0, "r1")
    assert str(caught.value) == "later (unavailable)"


@pytest.mark.parametrize("details", [b"", b"\xff\xff", b"\x1a\x03abc"])
def test_details_that_cannot_be_read_leave_code_and_message(details: bytes) -> None:
    error = error_of(grpc.StatusCode.NOT_FOUND, "gone", [("grpc-status-details-bin", details)])

    assert isinstance(error, panope_client.NotFoundError)
    assert (error.message, error.reason, error.field) == ("gone", "", "")


async def test_a_server_that_is_not_there_is_unavailable(connect: Callable[..., Any]) -> None:
    with pytest.raises(panope_client.UnavailableError):
        await connect().embed(["a"], MODEL)


async def test_a_call_ends_at_its_deadline(client: Any, fake: Any) -> None:
    fake.hold.clear()

    with pytest.raises(panope_client.DeadlineError):
        await client.embed(["a"], MODEL, timeout=0.05)

    await fake.cancelled.wait()


async def test_the_clients_own_time_holds_for_calls_that_name_none(
    connect: Callable[..., Any], server: Any, fake: Any
) -> None:
    fake.hold.clear()

    with pytest.raises(panope_client.DeadlineError):
        await connect(timeout=0.05).devices()


@pytest.mark.parametrize("connect", [panope_client.AsyncClient], indirect=True, ids=["asyncio"])
async def test_a_cancelled_task_cancels_its_call_at_the_server(
    connect: Callable[..., Any], server: Any, fake: Any
) -> None:
    fake.hold.clear()
    task = asyncio.create_task(connect().embed(["a"], MODEL))
    await fake.started.acquire()

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    await fake.cancelled.wait()
