"""Answers on a server that several share, which speaks Redis's protocol: Redis, Valkey, Dragonfly, KeyDB.

It is a help and never a need: a call waits for it for a bounded time, and not at all while it fails. What it gives is
believed only with a seal that fits the key, so that a damaged value, or one of another key, is none.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from panope_backends.errors import AvailabilityError, PreconditionError
from panope_server.pipeline.cache.stores.pauses import Pauses

if TYPE_CHECKING:
    from redis.asyncio import Redis

DRIVER = "redis"

#: Where the keys of this form begin.
PREFIX = b"panope:answer:1:"

_SEAL_BYTES = 16
_MAX_CONNECTIONS = 32
#: Of values on their way; more are not kept there.
MAX_PENDING_BYTES = 16 << 20
#: For which its clearing is waited for.
CLEAR_SECONDS = 60.0
#: Values that go in one message.
_MAX_BATCH = 256


class RedisStore:
    """A Store on a server.

    Args:
        client: of the server.
        timeout_seconds: for which an exchange is waited for.
        max_entry_bytes: of one value.
        ttl_seconds: for which a value is kept.
        secret: by which values are sealed, the same on all servers that share them; empty seals against damage alone.
        failed: told why an exchange, or a value, was of no use: `timeout`, `error`, `seal`, `pending`.
        pauses: when it is left alone.
    """

    def __init__(
        self,
        client: Redis,
        *,
        timeout_seconds: float,
        max_entry_bytes: int,
        ttl_seconds: float,
        secret: bytes = b"",
        failed: Callable[[str], None] = lambda _: None,
        pauses: Pauses | None = None,
    ) -> None:
        self._client = client
        self._timeout_seconds = timeout_seconds
        self._max_entry_bytes = max_entry_bytes
        self._ttl_ms = max(1, int(ttl_seconds * 1000))
        self._secret = hashlib.sha256(secret).digest()
        self._failed = failed
        self._pauses = pauses or Pauses()
        self._writes: set[asyncio.Task[None]] = set()
        self._pending_bytes = 0

    async def get(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        """The values of keys; none while the server is away, or slow."""
        if not keys or not self._pauses.may_try():
            return [None] * len(keys)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                sealed = await self._client.mget([PREFIX + key for key in keys])
        except Exception as error:  # whatever the driver raises; the call is run instead
            self._note(error)
            return [None] * len(keys)
        except asyncio.CancelledError:
            self._pauses.given_up()
            raise
        self._pauses.succeeded()
        return [self._opened(key, value) for key, value in zip(keys, sealed, strict=True)]

    async def put(self, values: Mapping[bytes, bytes]) -> None:
        """Begins to keep values, and waits for nothing."""
        fitting = {key: value for key, value in values.items() if len(value) <= self._max_entry_bytes}
        size = sum(map(len, fitting.values()))
        if not fitting or not self._pauses.may_write():
            return
        if self._pending_bytes + size > MAX_PENDING_BYTES:
            self._failed("pending")
            return
        self._pending_bytes += size
        write = asyncio.ensure_future(self._write(fitting, size))
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)

    async def clear(self) -> int:
        """Removes every value that any server keeps there; 0, for none is in this process."""
        await self._give_up_writes()
        try:
            async with asyncio.timeout(CLEAR_SECONDS):
                batch: list[bytes] = []
                async for key in self._client.scan_iter(match=PREFIX + b"*", count=_MAX_BATCH):
                    batch.append(key)
                    if len(batch) >= _MAX_BATCH:
                        await self._client.unlink(*batch)
                        batch.clear()
                if batch:
                    await self._client.unlink(*batch)
        except Exception as error:  # whatever the driver raises
            self._note(error)
            raise AvailabilityError(
                "the shared store of the response cache did not answer; it may still hold answers",
                reason="shared_cache_unavailable",
                retry_after_seconds=1.0,
            ) from None
        return 0

    async def close(self) -> None:
        """Gives up what is on its way, and the connections."""
        await self._give_up_writes()
        await self._client.aclose()

    async def until_written(self) -> None:
        """Waits until every value that `put` took is kept, or is not to be."""
        await asyncio.gather(*self._writes, return_exceptions=True)

    async def _give_up_writes(self) -> None:
        for write in tuple(self._writes):
            write.cancel()
        await asyncio.gather(*self._writes, return_exceptions=True)

    async def _write(self, values: Mapping[bytes, bytes], size: int) -> None:
        try:
            for batch in _batches(values):
                pipeline = self._client.pipeline(transaction=False)
                for key, value in batch.items():
                    pipeline.set(PREFIX + key, self._seal(key, value) + value, px=self._ttl_ms)
                async with asyncio.timeout(self._timeout_seconds):
                    await pipeline.execute()
        except Exception as error:  # whatever the driver raises; what is not kept is computed again
            self._note(error)
        finally:
            self._pending_bytes -= size

    def _note(self, error: Exception) -> None:
        self._failed("timeout" if isinstance(error, TimeoutError) else "error")
        self._pauses.failed()

    def _seal(self, key: bytes, value: bytes) -> bytes:
        return hmac.digest(self._secret, key + value, "sha256")[:_SEAL_BYTES]

    def _opened(self, key: bytes, sealed: object) -> bytes | None:
        if not isinstance(sealed, bytes):
            return None
        value = sealed[_SEAL_BYTES:]
        if len(value) <= self._max_entry_bytes and hmac.compare_digest(sealed[:_SEAL_BYTES], self._seal(key, value)):
            return value
        self._failed("seal")
        return None


def connect(url: str, timeout_seconds: float) -> Redis:
    """A client of the server at a URL; it connects when it is used.

    Raises:
        PreconditionError: the package `redis` is not installed, or the URL is none.
    """
    if find_spec(DRIVER) is None:
        raise PreconditionError(f"a shared response cache needs the package `{DRIVER}`", reason="driver_not_installed")
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    try:
        return Redis.from_url(
            url,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            max_connections=_MAX_CONNECTIONS,
            retry=Retry(NoBackoff(), 0),  # within one call's wait nothing comes back
        )
    except ValueError:
        raise PreconditionError("the setting `response_cache.redis_url` is no address of a server") from None


def _batches(values: Mapping[bytes, bytes]) -> Iterator[dict[bytes, bytes]]:
    items = list(values.items())
    for start in range(0, len(items), _MAX_BATCH):
        yield dict(items[start : start + _MAX_BATCH])
