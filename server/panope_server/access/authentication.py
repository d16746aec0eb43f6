"""Who a caller is, by what came with the call: the one place that keys, tokens and certificates have.

Every way in asks it: gRPC by `transport.interceptors.auth`, HTTP by `transport.http.admin_guard`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from panope_server.access.principal import ANONYMOUS, Principal


class Authenticator(Protocol):
    """Knows callers."""

    async def principal_of(self, metadata: Mapping[str, str]) -> Principal:
        """Who calls.

        Args:
            metadata: of the gRPC call, or the headers of the HTTP request; names in lower case.

        Raises:
            PanopeError: the caller is nobody who may call; nothing of the call has been looked at yet.
        """


class AnonymousAccess:
    """Everybody may call and nobody is known: as long as there are no keys."""

    async def principal_of(self, metadata: Mapping[str, str]) -> Principal:
        """Nobody in particular."""
        return ANONYMOUS
