"""A shared store that is down, slow, damaged or another's: it holds no call up, and nothing wrong is believed."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import Any

import pytest

from panope_backends.errors import AvailabilityError, PreconditionError
from panope_server.pipeline.cache.stores import redis as redis_store
from panope_server.pipeline.cache.stores.memory import MemoryStore
from panope_server.pipeline.cache.stores.pauses import FIRST_SECONDS, MAX_FAILURES, MAX_SECONDS, Pauses
from panope_server.pipeline.cache.stores.redis import PREFIX, connect
from panope_server.pipeline.cache.stores.tiered import TieredStore

KEY, OTHER = b"k" * 32, b"o" * 32
BOUND = 0.05


async def test_two_servers_share_what_one_keeps(stores: Any, redis_server: Any) -> None:
    one, other = stores.redis(redis_server, secret=b"s"), stores.redis(redis_server, secret=b"s")
    await one.put({KEY: b"answer"})
    await one.until_written()
    assert list(await other.get([KEY])) == [b"answer"]


async def test_what_was_found_far_is_near_from_then_on(stores: Any, redis_server: Any) -> None:
    far, near = stores.redis(redis_server), MemoryStore(10_000, 1000, 100)
    await far.put({KEY: b"answer"})
    await far.until_written()
    tiered = TieredStore(near, far)
    assert list(await tiered.get([OTHER, KEY])) == [None, b"answer"]
    redis_server.stop()
    assert list(await tiered.get([KEY])) == [b"answer"]


async def test_a_value_of_another_secret_of_another_key_or_with_a_changed_bit_is_none(
    stores: Any, redis_server: Any
) -> None:
    store, stranger = stores.redis(redis_server, secret=b"ours"), stores.redis(redis_server, secret=b"theirs")
    await stranger.put({KEY: b"answer"})
    await stranger.until_written()
    assert list(await store.get([KEY])) == [None]
    await store.put({KEY: b"answer"})
    await store.until_written()
    client = connect(redis_server.url, 60)
    sealed = await client.get(PREFIX + KEY)
    assert isinstance(sealed, bytes)
    await client.set(PREFIX + OTHER, sealed)
    await client.set(PREFIX + KEY, sealed[:-1] + bytes([sealed[-1] ^ 1]))
    await client.aclose()
    assert list(await store.get([KEY, OTHER])) == [None, None]
    assert stores.failures["seal"] == 3


async def test_a_server_that_is_down_is_left_alone_and_taken_again_when_it_is_back(
    stores: Any, redis_server: Any
) -> None:
    now = 0.0
    store = stores.redis(redis_server, pauses=Pauses(lambda: now))
    await store.put({KEY: b"answer"})
    await store.until_written()
    redis_server.stop()
    for _ in range(MAX_FAILURES):
        assert list(await store.get([KEY])) == [None]
    assert stores.failures["error"] == MAX_FAILURES
    assert list(await store.get([KEY])) == [None]
    await store.put({KEY: b"answer"})
    assert stores.failures["error"] == MAX_FAILURES, "nothing was tried"
    redis_server.start()
    now += FIRST_SECONDS
    assert list(await store.get([KEY])) == [None]
    await store.put({KEY: b"again"})
    await store.until_written()
    assert list(await store.get([KEY])) == [b"again"]


async def test_a_server_that_hangs_holds_a_call_up_for_the_bound_and_then_not_at_all(
    stores: Any, redis_server: Any
) -> None:
    store = stores.redis(redis_server, timeout=BOUND)
    redis_server.process.send_signal(signal.SIGSTOP)
    try:
        for _ in range(MAX_FAILURES):
            started = time.monotonic()
            assert list(await store.get([KEY])) == [None]
            assert time.monotonic() - started < 100 * BOUND  # the bound, and what a busy machine adds to it
        calls = stores.failures.total()
        await asyncio.gather(*(store.get([KEY]) for _ in range(100)))
        assert stores.failures.total() == calls, "nothing was tried"
    finally:
        redis_server.process.send_signal(signal.SIGCONT)


async def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_one(stores: Any, redis_server: Any) -> None:
    patient = stores.redis(redis_server)
    await patient.put({KEY: b"first", OTHER: b"second"})
    await patient.until_written()
    store = stores.redis(redis_server, timeout=BOUND)
    await store.get([OTHER])
    redis_server.process.send_signal(signal.SIGSTOP)
    assert list(await store.get([KEY])) == [None]
    redis_server.process.send_signal(signal.SIGCONT)
    store._timeout_seconds = 60
    assert list(await store.get([OTHER])) == [b"second"]


async def test_more_than_can_be_sent_is_not_kept_in_memory_meanwhile(
    stores: Any, redis_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_store, "MAX_PENDING_BYTES", 100)
    store = stores.redis(redis_server)
    for number in range(3):
        await store.put({bytes([number]) * 32: b"x" * 60})
    assert stores.failures["pending"] == 2
    await store.until_written()
    await store.put({KEY: b"x" * 60})
    await store.until_written()
    assert list(await store.get([KEY])) == [b"x" * 60]


def test_an_address_that_is_none_is_a_clear_error() -> None:
    with pytest.raises(PreconditionError):
        connect("redis://host:port/x", 1)


def test_without_the_driver_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_store, "find_spec", lambda _: None)
    with pytest.raises(PreconditionError) as raised:
        connect("redis://localhost", 1)
    assert raised.value.reason == "driver_not_installed"


def test_pauses_grow_and_one_try_ends_them() -> None:
    now = 0.0
    pauses = Pauses(lambda: now)
    for _ in range(MAX_FAILURES):
        assert pauses.may_try()
        pauses.failed()
    lengths = []
    for _ in range(8):
        before = now
        while not pauses.may_try():
            now += 0.5
        assert not pauses.may_try(), "one try at a time"
        assert not pauses.may_write()
        lengths.append(now - before)
        pauses.failed()
    assert lengths == [1, 2, 4, 8, 16, MAX_SECONDS, MAX_SECONDS, MAX_SECONDS]
    now += MAX_SECONDS
    assert pauses.may_try()
    pauses.given_up()
    assert pauses.may_try()
    pauses.succeeded()
    assert pauses.may_try()
    assert pauses.may_try()


async def test_clearing_leaves_what_others_keep_on_the_server(redis_server: Any, stores: Any) -> None:
    store = stores.redis(redis_server)
    await store.put({b"k" * 32: b"v"})
    await store.until_written()
    await store._client.set(b"other:answer", b"theirs")
    await store.clear()
    assert await store._client.keys(b"*") == [b"other:answer"]


async def test_clearing_a_server_that_is_gone_is_refused_and_not_passed_over(redis_server: Any, stores: Any) -> None:
    store = stores.redis(redis_server, timeout=1.0)
    redis_server.stop()
    with pytest.raises(AvailabilityError) as refused:
        await store.clear()
    assert refused.value.reason == "shared_cache_unavailable"
