"""Both clients behind the asynchronous one's face, and time that passes only in sleeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from panope_client import AsyncClient, Client


class Threaded:
    """A `Client` with the face of an `AsyncClient`: each call runs in a thread."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        if name in ("embed_stream", "detect_stream", "stream_generate", "stream_chat"):
            return lambda *args, **options: self._stream(call(*args, **options))

        async def run(*args: Any, **options: Any) -> Any:
            return await asyncio.to_thread(call, *args, **options)

        return run

    @staticmethod
    async def _stream(answers: Any) -> AsyncIterator[Any]:
        try:
            while (answer := await asyncio.to_thread(next, answers, None)) is not None:
                yield answer
        finally:
            await asyncio.to_thread(answers.close)


class FakeClock:
    """Time that passes only in sleeps, and the sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def async_sleep(self, seconds: float) -> None:
        self.sleep(seconds)


def with_clock(client: Client | AsyncClient, clock: FakeClock, uniform: float) -> None:
    """Gives a client another clock, and `uniform` for its random numbers."""
    client._retries.clock = clock
    client._retries.uniform = lambda: uniform
    client._sleep = clock.async_sleep if isinstance(client, AsyncClient) else clock.sleep
