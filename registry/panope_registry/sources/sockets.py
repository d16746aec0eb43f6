"""Connections that can be left at any moment, and that are given up when too little comes.

A host that sends a byte a second never stalls, so a time-out for silence does not end it; here the time that is spent
waiting for its bytes counts. And whoever waits asks several times a second whether it is still wanted.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from typing import Any, TypeVar

import httpcore2
import httpx2

from panope_backends.errors import AvailabilityError
from panope_registry.interruption import check_interruption

TOO_SLOW = "source_too_slow"

LOOK_SECONDS = 0.2
"""Between two questions whether to go on."""

RATE_SECONDS = 30.0
"""Of waiting, after which the rate is looked at."""

LEAST_BYTES_PER_SECOND = 1000

T = TypeVar("T")


def watch(client: httpx2.Client) -> httpx2.Client:
    """Returns the same client, on such connections."""
    # The client builds its pools itself, proxies of the environment included, and passes no network on to them.
    for transport in (client._transport, *client._mounts.values()):  # noqa: SLF001 - as said above
        if isinstance(transport, httpx2.HTTPTransport):
            transport._pool._network_backend = WatchedNetwork()  # noqa: SLF001 - as said above
    return client


class WatchedNetwork(httpcore2.NetworkBackend):
    """Makes connections."""

    def __init__(self) -> None:
        self._network = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """Returns a connection; looking up the name, too, can be left."""
        return WatchedStream(
            _left_at_will(lambda: self._network.connect_tcp(host, port, timeout, local_address, socket_options))
        )

    def sleep(self, seconds: float) -> None:
        """Waits."""
        self._network.sleep(seconds)


class WatchedStream(httpcore2.NetworkStream):
    """One connection."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream
        self._waited = 0.0
        self._received = 0

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Returns what comes next.

        Raises:
            AvailabilityError: less than `LEAST_BYTES_PER_SECOND` come (`TOO_SLOW`).
        """
        began = time.monotonic()
        while True:
            check_interruption()
            left = LOOK_SECONDS if timeout is None else min(LOOK_SECONDS, began + timeout - time.monotonic())
            try:
                data = self._stream.read(max_bytes, max(left, 0.001))
            except httpcore2.ReadTimeout:
                if timeout is not None and time.monotonic() - began >= timeout:
                    raise
                continue
            self._account(time.monotonic() - began, len(data))
            return data

    def _account(self, waited: float, received: int) -> None:
        self._waited += waited
        self._received += received
        if self._waited < RATE_SECONDS:
            return
        if self._received < LEAST_BYTES_PER_SECOND * self._waited:
            raise AvailabilityError(
                f"the source sends less than {LEAST_BYTES_PER_SECOND} bytes a second", reason=TOO_SLOW
            )
        self._waited, self._received = 0.0, 0

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Sends a part of a request; the answer's rate counts from there."""
        self._waited, self._received = 0.0, 0
        self._stream.write(buffer, timeout)

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        """Returns the same connection, encrypted."""
        return WatchedStream(_left_at_will(lambda: self._stream.start_tls(ssl_context, server_hostname, timeout)))

    def get_extra_info(self, info: str) -> Any:
        """As of the connection itself."""
        return self._stream.get_extra_info(info)

    def close(self) -> None:
        """Ends it."""
        self._stream.close()


def _left_at_will(connect: Callable[[], httpcore2.NetworkStream]) -> httpcore2.NetworkStream:
    """Connects in a thread that is left behind, with what it brings, when the work is to end."""
    future: Future[httpcore2.NetworkStream] = Future()

    def run() -> None:
        try:
            future.set_result(connect())
        except BaseException as error:  # for whoever waits
            future.set_exception(error)

    threading.Thread(target=contextvars.copy_context().run, args=(run,), name="connect", daemon=True).start()
    try:
        while not wait([future], LOOK_SECONDS).done:
            check_interruption()
    except BaseException:
        future.add_done_callback(_close)
        raise
    return future.result()


def _close(future: Future[httpcore2.NetworkStream]) -> None:
    if future.exception() is None:
        future.result().close()
