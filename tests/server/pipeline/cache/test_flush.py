"""Flushing: nothing that was asked before is given after, however far it had come; and what is told of the cache."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from cache_doubles import MODEL, Cached

from panope_backends.errors import AvailabilityError, PanopeError
from panope_registry.access.scopes import EVERY_SCOPE, ModelPatterns
from panope_server.access.principal import ANONYMOUS, Principal, set_principal
from panope_server.pipeline.cache.admin import AuthorizedCache
from panope_server.pipeline.cache.kept import KeptAnswers
from panope_server.pipeline.cache.statistics import CacheStatistics, ModelCounts
from panope_server.pipeline.cache.stores.memory import MemoryStore
from panope_server.pipeline.cache.stores.tiered import TieredStore
from panope_server.tasks.embed import EmbedOutput
from panope_server.tasks.generate.types import GenerateInput, GenerationOptions, Sampling

GREEDY = GenerateInput(prompts=["hello"], options=GenerationOptions(sampling=Sampling(temperature=0.0)))


@pytest.mark.parametrize("given", [["hello"], GREEDY], ids=["each", "whole"])
async def test_what_is_kept_is_computed_again_after_a_flush(cached: Cached, given: Any) -> None:
    assert [(await cached.ask(given))[1] for _ in range(2)] == ["miss", "hit"]
    assert await cached.step.flush() == 1
    assert [(await cached.ask(given))[1] for _ in range(2)] == ["miss", "hit"]
    assert (len(cached.computer.ran), cached.counts.flushes) == (2, 1)


@pytest.mark.parametrize("known", [True, False], ids=["a model that is loaded", "one of which nobody knows yet"])
@pytest.mark.parametrize("given", [["hello"], GREEDY], ids=["each", "whole"])
async def test_a_call_that_is_under_way_is_answered_and_neither_joined_nor_kept(
    cached: Cached, given: Any, known: bool
) -> None:
    computer = cached.computer
    computation, computer.gate = computer.computation, asyncio.Event()
    if not known:
        computer.computation = None
    before = asyncio.ensure_future(cached.ask(given))
    await computer.until_ran(1)
    await cached.step.flush()
    computer.computation = computation
    after = asyncio.ensure_future(cached.ask(given))
    await computer.until_ran(2)
    computer.gate.set()
    assert (await before)[1] == (await after)[1] == "miss"
    assert len(cached.store) == 1
    assert (await cached.ask(given))[1] == "hit"
    assert len(computer.ran) == 2


class Far:
    """A shared store that answers when it is let."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.asked = asyncio.Event()
        self.is_away = False

    async def get(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        self.asked.set()
        await self.gate.wait()
        return [b"old"] * len(keys)

    async def put(self, values: Mapping[bytes, bytes]) -> None:
        pass

    async def clear(self) -> int:
        if self.is_away:
            raise AvailabilityError("away")
        return 0

    async def close(self) -> None:
        pass


async def test_what_was_on_its_way_from_the_shared_store_is_not_near_after_a_flush() -> None:
    far, near = Far(), MemoryStore(10_000, 1_000, 100)
    tiered = TieredStore(near, far)
    asking = asyncio.ensure_future(tiered.get([b"k"]))
    await far.asked.wait()
    assert await tiered.clear() == 0
    far.gate.set()
    await asking
    assert len(near) == 0


async def test_a_shared_store_that_is_away_is_told_of_and_the_memory_is_empty_all_the_same() -> None:
    far, near = Far(), MemoryStore(10_000, 1_000, 100)
    far.is_away = True
    await near.put({b"k": b"v"})
    with pytest.raises(AvailabilityError):
        await TieredStore(near, far).clear()
    assert len(near) == 0


@pytest.mark.parametrize("jump", [-10_000.0, 10_000.0])
async def test_a_calendar_that_jumps_keeps_no_answer_for_longer_than_its_time(jump: float) -> None:
    """Ages are the calendar's, which servers share; how long memory keeps a value is not."""
    seconds, calendar = 0.0, 1e9
    kept = KeptAnswers(MemoryStore(10_000, 1_000, 100, clock=lambda: seconds), 100, clock=lambda: calendar)
    await kept.keep({b"k": kept.packed(EmbedOutput(b"", 0, 0, [], []))}, kept.epoch)
    assert await kept.find([b"k"])
    calendar += jump
    assert bool(await kept.find([b"k"])) is (jump < 0)
    calendar -= jump
    assert await kept.find([b"k"]), "the clock is right again"
    calendar += jump
    seconds += 100
    assert not await kept.find([b"k"])


class Source:
    """A cache of two models."""

    flushed = 0

    def statistics(self) -> CacheStatistics:
        counts = {"acme/tiny": ModelCounts(hits=1), "other/m": ModelCounts(hits=2)}
        return CacheStatistics(3, 300, 1000, False, counts, {}, {}, self.flushed)

    async def flush(self) -> int:
        self.flushed += 1
        return 3


class Audit:
    def recording(self, action: str, target: str = "") -> Any:
        from contextlib import nullcontext

        return nullcontext()


async def test_callers_hear_of_models_that_they_see_and_only_who_sees_all_may_flush() -> None:
    source = Source()
    cache = AuthorizedCache(source, Audit())  # type: ignore[arg-type]  # as much of it as is used
    set_principal(Principal("ci", "K", EVERY_SCOPE, ModelPatterns.parse(["acme/*"])))
    assert list(cache.statistics().models) == ["acme/tiny"]
    with pytest.raises(PanopeError) as refused:
        await cache.flush()
    assert (refused.value.reason, source.flushed) == ("models_hidden", 0)
    set_principal(ANONYMOUS)
    assert len(cache.statistics().models) == 2
    assert await cache.flush() == 3
    with pytest.raises(PanopeError, match=r"response_cache\.enabled"):
        AuthorizedCache(None, Audit()).statistics()  # type: ignore[arg-type]


def test_hits_are_told_by_model(cached: Cached) -> None:
    cached.counts.count(MODEL, hits=2, misses=1)
    assert cached.counts.models[MODEL] == ModelCounts(hits=2, misses=1)
    assert cached.counted("response_cache_hits") == 2
