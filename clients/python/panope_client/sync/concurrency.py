"""What threads do in their own way; `panope_client.aio.concurrency` has the same names for asyncio."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias, TypeVar

import grpc

from panope_client.channel import options_for
from panope_client.errors import PanopeClientError
from panope_client.messages.embed import Batch
from panope_client.messages.image import ImageSource
from panope_client.status import error_of

T = TypeVar("T")
Item = TypeVar("Item")
Result = TypeVar("Result")

Channel: TypeAlias = grpc.Channel
Method: TypeAlias = grpc.UnaryUnaryMultiCallable
RpcError: TypeAlias = grpc.RpcError

#: Results as they come; leaving it early cancels the call.
Stream: TypeAlias = Generator[T, None, None]

#: Batches of a stream.
Batches: TypeAlias = Iterable[Batch]

#: Images of a stream, one after another.
Frames: TypeAlias = Iterable[ImageSource]

#: Audio of a stream, as it comes.
Pieces: TypeAlias = Iterable[bytes]

sleep = time.sleep


def open_channel(address: str, credentials: grpc.ChannelCredentials | None) -> Channel:
    """Opens a channel, which connects with the first call."""
    options = options_for(address)
    if credentials is None:
        return grpc.insecure_channel(address, options)
    return grpc.secure_channel(address, credentials, options)


def failure_of(error: RpcError) -> PanopeClientError:
    """Makes the client's error of gRPC's."""
    trailers = ((item.key, item.value) for item in error.trailing_metadata() or ())
    return error_of(error.code(), error.details() or "", trailers)


def map_in_order(call: Callable[[Item], Result], items: Iterable[Item], concurrency: int) -> list[Result]:
    """Calls with each item, `concurrency` at a time; the results are in the order of the items.

    The first failure is raised once the calls that still run have ended; the others are not begun.
    """
    with ThreadPoolExecutor(concurrency) as pool:
        return list(pool.map(call, items))
