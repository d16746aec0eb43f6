"""Asks Envoy's own administration, which listens on a Unix socket that only our user may open."""

from __future__ import annotations

import asyncio
import re

_ACTIVE = re.compile(rb"^http\.edge\.downstream_rq_active: (\d+)", re.MULTILINE)
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

    async def active_requests(self) -> int:
        """The number of requests under way."""
        found = _ACTIVE.search(await self._request("GET", "/stats?filter=downstream_rq_active"))
        return int(found[1]) if found else 0

    async def drain(self) -> None:
        """Closes the listening sockets; requests under way go on and their connections close after them."""
        await self._request("POST", "/drain_listeners?graceful")

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
