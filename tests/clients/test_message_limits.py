"""A message over a limit of gRPC's is the caller's to make smaller, and is never sent again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest

from panope_client import InvalidInputError, OverloadedError
from panope_client.status import error_of

MODEL = "vendor/fake"
LIMIT = 4096
OPTIONS = {"max_receive_message_length": LIMIT, "max_send_message_length": LIMIT}


@pytest.mark.parametrize(
    ("text", "reason", "words"),
    [
        ("x" * LIMIT, "request_too_large", "the request has 4,1.. bytes, more than the server's limit of 4,096"),
        ("many", "response_too_large", "the response has .* bytes, more than the server's limit of 4,096"),
    ],
)
async def test_a_message_over_the_servers_limit_is_invalid_input_and_sent_once(
    connect: Callable[..., Any], fake: Any, address: str, clock: Any, text: str, reason: str, words: str
) -> None:
    server = await fake.serve(address, **OPTIONS)
    try:
        with pytest.raises(InvalidInputError, match=words) as caught:
            await connect(clock=clock).embed([text] * (400 if text == "many" else 1), MODEL)
    finally:
        await server.stop(None)

    assert (caught.value.reason, caught.value.code) == (reason, grpc.StatusCode.INVALID_ARGUMENT)
    assert caught.value.retry_after_seconds is None
    assert clock.slept == []


async def test_a_batch_of_a_stream_over_the_servers_limit_is_invalid_input(
    connect: Callable[..., Any], fake: Any, address: str
) -> None:
    server = await fake.serve(address, **OPTIONS)
    try:
        with pytest.raises(InvalidInputError) as caught:
            await anext(connect().embed_stream([["x" * LIMIT]], MODEL))
    finally:
        await server.stop(None)

    assert caught.value.reason == "request_too_large"


def test_a_full_queue_stays_an_overload() -> None:
    error = error_of(grpc.StatusCode.RESOURCE_EXHAUSTED, "the queue is full", [("retry-after-ms", "100")])

    assert isinstance(error, OverloadedError)
    assert error.retry_after_seconds == 0.1
