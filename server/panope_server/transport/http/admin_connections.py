"""The connections of the admin port: how many there may be, and how long a request may take to arrive."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from panope_server.access.caller import certificate_names

MAX_CONNECTIONS = 1024
#: Of one peer, so that there is always room for others; through Envoy every caller is the same peer.
MAX_CONNECTIONS_OF_PEER = 768
#: From a connection's beginning, or the end of an answer, to the end of the next request.
REQUEST_SECONDS = 10.0


#: The extension of ASGI's scope that gives the names of the certificate that the other end has shown.
CERTIFICATE_NAMES = "panope.certificate_names"


class Connections:
    """The connections of one server, by their peers."""

    def __init__(
        self,
        *,
        most: int = MAX_CONNECTIONS,
        most_of_peer: int = MAX_CONNECTIONS_OF_PEER,
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        self._most = most
        self._most_of_peer = most_of_peer
        self.request_seconds = request_seconds
        self._by_peer: Counter[str] = Counter()

    def take(self, peer: str) -> bool:
        """Counts a new one; False when there is no room."""
        if self._by_peer.total() >= self._most or self._by_peer[peer] >= self._most_of_peer:
            return False
        self._by_peer[peer] += 1
        return True

    def give_back(self, peer: str) -> None:
        """Counts one out."""
        self._by_peer[peer] -= 1
        if not self._by_peer[peer]:
            del self._by_peer[peer]

    def protocol(self, *arguments: Any, **named: Any) -> asyncio.Protocol:
        """A connection of uvicorn's that keeps to the limits."""
        return _Connection(self, *arguments, **named)


class _Connection(H11Protocol):
    """uvicorn ends a connection that is idle after an answer, but waits for ever for what a caller has begun."""

    def __init__(self, connections: Connections, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._connections = connections
        self._peer: str | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        address = transport.get_extra_info("peername")
        peer = address[0] if isinstance(address, tuple) else ""
        if not self._connections.take(peer):
            transport.abort()
            return
        self._peer = peer
        super().connection_made(transport)
        if (tls := transport.get_extra_info("ssl_object")) is not None:
            self.app = _with_names(self.app, partial(_names_of, tls))
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._peer is None:
            return
        self._connections.give_back(self._peer)
        self._expect_nothing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._peer is None:
            return
        super().data_received(data)
        if self._is_answering:
            self._expect_nothing()
        else:
            self._expect_request()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._is_answering:
            self._expect_request()

    @property
    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn says that there is always one
        return cycle is not None and not cycle.response_complete

    def _expect_request(self) -> None:
        if self._timer is None:
            seconds = self._connections.request_seconds
            self._timer = asyncio.get_running_loop().call_later(seconds, self.transport.close)

    def _expect_nothing(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _with_names(app: ASGIApp, names: Callable[[], Sequence[str]]) -> ASGIApp:
    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "extensions": {**scope.get("extensions", {}), CERTIFICATE_NAMES: names}}, receive, send)

    return run


def _names_of(tls: ssl.SSLObject) -> Sequence[str]:
    shown: dict[str, Any] = tls.getpeercert() or {}
    others = shown.get("subjectAltName", ())
    subject = (pair for part in shown.get("subject", ()) for pair in part)
    return certificate_names(
        (name for kind, name in others if kind == "URI"),
        (name for kind, name in others if kind == "DNS"),
        (name for kind, name in subject if kind == "commonName"),
    )
