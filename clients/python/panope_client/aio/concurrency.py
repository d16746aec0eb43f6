"""What asyncio does in its own way; `panope_client.sync.concurrency` has the same names for threads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from typing import TypeAlias, TypeVar

import grpc
import grpc.aio

from panope_client.channel import options_for
from panope_client.errors import PanopeClientError
from panope_client.messages.embed import Batch
from panope_client.messages.image import ImageSource
from panope_client.status import error_of

T = TypeVar("T")
Item = TypeVar("Item")
Result = TypeVar("Result")

Channel: TypeAlias = grpc.aio.Channel
Method: TypeAlias = grpc.aio.UnaryUnaryMultiCallable
RpcError: TypeAlias = grpc.aio.AioRpcError

#: Results as they come; leaving it early cancels the call.
Stream: TypeAlias = AsyncGenerator[T, None]

#: Batches of a stream.
Batches: TypeAlias = AsyncIterable[Batch] | Iterable[Batch]

#: Images of a stream, one after another.
Frames: TypeAlias = AsyncIterable[ImageSource] | Iterable[ImageSource]

#: Audio of a stream, as it comes.
Pieces: TypeAlias = AsyncIterable[bytes] | Iterable[bytes]

sleep = asyncio.sleep


def open_channel(address: str, credentials: grpc.ChannelCredentials | None) -> Channel:
    """Opens a channel, which connects with the first call."""
    options = options_for(address)
    if credentials is None:
        return grpc.aio.insecure_channel(address, options)
    return grpc.aio.secure_channel(address, credentials, options)


def failure_of(error: RpcError) -> PanopeClientError:
    """Makes the client's error of gRPC's."""
    return error_of(error.code(), error.details() or "", error.trailing_metadata() or ())


async def map_in_order(
    call: Callable[[Item], Awaitable[Result]], items: Iterable[Item], concurrency: int
) -> list[Result]:
    """Calls with each item, `concurrency` at a time; the results are in the order of the items.

    The first failure is raised, and what still runs is cancelled.
    """
    numbered = enumerate(items)
    results: dict[int, Result] = {}

    async def run_calls() -> None:
        for number, item in numbered:
            results[number] = await call(item)

    runners = [asyncio.create_task(run_calls()) for _ in range(concurrency)]
    try:
        await asyncio.gather(*runners)
    finally:
        for runner in runners:
            runner.cancel()
    return [results[number] for number in sorted(results)]
