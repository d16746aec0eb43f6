"""Asks Envoy's own administration, which listens on a Unix socket that only our user may open."""

from __future__ import annotations

import asyncio
import re

_STATS = "/stats?filter=^http.edge.downstream_(rq_active|cx_tx_bytes_total)$"
_STAT = re.compile(rb"^http\.edge\.downstream_(rq_active|cx_tx_bytes_total): (\d+)", re.MULTILINE)
_CONNECTIONS = re.compile(rb"^http\.edge\.downstream_cx_active: (\d+)", re.MULTILINE)
_TIMEOUT_SECONDS = 2.0


class EnvoyAdmin:
    """The administration behind one socket."""

    def __init__(self, socket: str) -> None:
        self._socket = socket

    async def ready(self) -> bool:
        """Whether Envoy serves; False too while nothing answers."""
        try:
            return (await self._request("GET", "/ready")).startswith(b"HTTP/1.1 200 ")
        except (OSError, TimeoutError):
            return False

    async def answers(self) -> bool:
        """Whether Envoy says anything at all; True too when this process has no descriptor left to ask with."""
        try:
            return bool(await self._request("GET", "/ready"))
        except (TimeoutError, ConnectionError, FileNotFoundError):
            return False
        except OSError:
            return True

    async def traffic(self) -> tuple[int, int]:
        """The number of requests under way, half-sent ones included, and the bytes that were ever sent to callers."""
        found = {name: int(value) for name, value in _STAT.findall(await self._request("GET", _STATS))}
        return found.get(b"rq_active", 0), found.get(b"cx_tx_bytes_total", 0)

    async def connections(self) -> int:
        """The number of connections of callers."""
        found = _CONNECTIONS.search(await self._request("GET", "/stats?filter=^http.edge.downstream_cx_active$"))
        return int(found[1]) if found else 0

    async def end_connections(self) -> None:
        """From now on each connection is told to end by its next answer: GOAWAY, or `connection: close`."""
        await self._request("POST", "/drain_listeners?graceful")

    async def close_listeners(self) -> None:
        """Takes no new connection; requests under way go on."""
        await self._request("POST", "/drain_listeners")

    async def _request(self, verb: str, path: str) -> bytes:
        """The whole answer, headers and chunk sizes included.

        Raises:
            OSError: nothing listens, or the connection broke.
            TimeoutError: no answer.
        """
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_unix_connection(self._socket)
            try:
                writer.write(
                    f"{verb} {path} HTTP/1.1\r\nhost: envoy\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".encode()
                )
                return await reader.read()
            finally:
                writer.close()
