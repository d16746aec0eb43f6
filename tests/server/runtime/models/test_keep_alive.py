"""How long a model stays that nobody uses, and what becomes of one that cannot go when its time is over."""

from __future__ import annotations

import asyncio
import math

import pytest

from panope_server.runtime.models import keep_alive as module
from panope_server.runtime.models.keep_alive import KeepAlive

SECONDS = 30


class Model:
    """One that may be busy otherwise when it is to end."""

    def __init__(self, configured: float | None = None) -> None:
        self.busy_for = 0
        self.asked = 0
        self.was_asked = asyncio.Event()
        self.ended = asyncio.Event()
        self.keep_alive = KeepAlive(lambda: configured, self._expired)

    def _expired(self) -> bool:
        self.asked += 1
        self.was_asked.set()
        if self.asked <= self.busy_for:
            return False
        self.ended.set()
        return True


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.01)


async def test_a_model_that_is_busy_when_its_time_is_over_goes_later() -> None:
    model = Model()
    model.busy_for = 3
    model.keep_alive.begin_call()
    model.keep_alive.end_call(0)
    async with asyncio.timeout(SECONDS):
        await model.ended.wait()
    assert model.asked == 4


async def test_a_worker_that_starts_again_gives_no_new_time_to_a_model_that_is_to_go() -> None:
    model = Model()
    model.busy_for = 1
    model.keep_alive.begin_call()
    model.keep_alive.end_call(0)
    async with asyncio.timeout(SECONDS):
        await model.was_asked.wait()
    model.keep_alive.loaded(for_a_call=False)
    async with asyncio.timeout(SECONDS):
        await model.ended.wait()


async def test_a_call_that_comes_meanwhile_keeps_it() -> None:
    model = Model(configured=math.inf)
    model.keep_alive.ask(0.001)
    model.busy_for = 1
    async with asyncio.timeout(SECONDS):
        await model.was_asked.wait()
    model.keep_alive.begin_call()
    assert model.keep_alive.ends_at is None
    model.keep_alive.asked = None
    model.keep_alive.end_call(0)
    assert model.keep_alive.ends_at is None, "no call ends what is kept for ever"
