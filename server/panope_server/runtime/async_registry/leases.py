"""Leases on the files of loaded models: while one is held, nothing removes them from the store."""

from __future__ import annotations

import asyncio
import os
import socket

import structlog

from panope_backends.errors import PanopeError
from panope_registry.retention.retention import RetentionManager
from panope_registry.retention.types import Lease
from panope_server.runtime.async_registry.threads import call_registry
from panope_server.runtime.safe_callbacks import contained_turn

_log = structlog.get_logger("panope.models")

#: A server that dies keeps its leases for this long.
LEASE_SECONDS = 60.0
RENEW_SECONDS = LEASE_SECONDS / 3
#: What unloading waits for a database that does not answer.
RELEASE_SECONDS = 5.0


class ModelLeases:
    """One lease for each loaded model, renewed until it is released."""

    def __init__(self, retention: RetentionManager) -> None:
        self._retention = retention
        self._owner = f"{socket.gethostname()}:{os.getpid()}"
        self._held: dict[str, Lease] = {}
        self._renewer: asyncio.Task[None] | None = None

    async def hold(self, model: str, variant_digest: str) -> None:
        """Takes a lease for a model that is about to be loaded, in place of one that it has.

        Raises:
            NotFoundError: there is no such variant.
            PreconditionError: not all its files are here.
        """
        lease = await call_registry(self._retention.lease, variant_digest, self._owner, LEASE_SECONDS)
        former, self._held[model] = self._held.get(model), lease
        if former is not None:
            await call_registry(self._retention.release, former)
        if self._renewer is None:
            self._renewer = asyncio.create_task(self._keep())

    async def release(self, model: str) -> None:
        """Gives a model's lease back; nothing happens when it has none. A database that is away lets it run out."""
        lease = self._held.pop(model, None)
        if lease is None:
            return
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                await call_registry(self._retention.release, lease)
        except TimeoutError:
            _log.warning("lease_release_failed", model=model, reason="database_unavailable")
        except PanopeError as error:
            _log.warning("lease_release_failed", model=model, reason=error.reason)

    async def close(self) -> None:
        """Gives every lease back."""
        if self._renewer is not None:
            self._renewer.cancel()
        await asyncio.gather(*(self.release(model) for model in list(self._held)))

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            for model, lease in list(self._held.items()):
                await contained_turn(self._renew, model, lease)

    async def _renew(self, model: str, lease: Lease) -> None:
        try:
            renewed = await call_registry(self._retention.renew, lease, LEASE_SECONDS)
        except PanopeError as error:
            # The worker has its files open and goes on; a new lease is tried at the next turn, or the next load.
            _log.warning("lease_renew_failed", model=model, reason=error.reason)
            if error.reason == "lease_lost":
                await self._take_again(model, lease)
            return
        if self._held.get(model) is lease:
            self._held[model] = renewed

    async def _take_again(self, model: str, lost: Lease) -> None:
        try:
            taken = await call_registry(self._retention.lease, lost.variant_digest, self._owner, LEASE_SECONDS)
        except PanopeError as error:
            _log.warning("lease_acquire_failed", model=model, reason=error.reason)
            return
        if self._held.get(model) is lost:
            self._held[model] = taken
