"""Connects to hosts at addresses that may be called, and to no other.

The address that was looked at is the one that is connected to, so that a name that leads elsewhere a moment later leads
nobody there. Certificates are checked for the name.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

import httpcore2

from panope_backends.errors import PreconditionError
from panope_backends.upstreams.addresses import may_connect

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""A host's addresses, in the order in which they are tried."""


async def addresses_of(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, as the system knows them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class CheckedNetwork(httpcore2.AsyncNetworkBackend):
    """The network, as far as it may be called.

    Args:
        private: whether names may lead to addresses of this machine and of private networks.
        resolve: finds a host's addresses.
        setting: that says so, for whoever is refused.
    """

    def __init__(
        self, *, private: bool, resolve: Resolve = addresses_of, setting: str = "remote.private_addresses"
    ) -> None:
        self._private = private
        self._resolve = resolve
        self._setting = setting
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connects to the first address that answers of those that may be called.

        Raises:
            PreconditionError: none may be.
            httpcore2.ConnectError: none answers.
        """
        try:
            async with asyncio.timeout(timeout):
                found = await self._resolve(host, port)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout from error
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError from error
        allowed = [address for address in found if may_connect(address, host, private=self._private)]
        if found and not allowed:
            raise PreconditionError(
                f"the name `{host}` leads to addresses that may not be called; the setting `{self._setting}` lets "
                "names lead to private ones",
                reason="address_not_allowed",
            )
        for number, address in enumerate(allowed, 1):
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if number == len(allowed):
                    raise
        raise httpcore2.ConnectError


def tls_context(ca_file: str) -> ssl.SSLContext:
    """Checks certificates by the system's authorities, or by those of a file.

    Raises:
        PreconditionError: the file holds none.
    """
    if not ca_file:
        return httpcore2.default_ssl_context()
    try:
        return ssl.create_default_context(cadata=Path(ca_file).read_text(encoding="ascii"))
    except (OSError, ssl.SSLError, UnicodeDecodeError, ValueError):
        raise PreconditionError("the file of the setting `remote.ca_file` holds no certificates") from None
