"""What every store of kept answers does: in memory, on a real server that speaks Redis's protocol, and both as one."""

from __future__ import annotations

import asyncio
from typing import Any

KEYS = [bytes([number]) * 32 for number in range(5)]
TOO_LARGE = b"x" * 1001


async def test_what_was_put_is_there_byte_for_byte_in_the_order_asked(make_store: Any, until_written: Any) -> None:
    store = make_store()
    values = {KEYS[0]: b"", KEYS[1]: bytes(range(256)), KEYS[2]: b"\0\r\n$-1"}
    await store.put(values)
    await until_written(store)
    assert list(await store.get([KEYS[2], KEYS[3], KEYS[0], KEYS[1], KEYS[2]])) == [
        values[KEYS[2]],
        None,
        b"",
        values[KEYS[1]],
        values[KEYS[2]],
    ]


async def test_nothing_asked_is_nothing_found(make_store: Any) -> None:
    assert list(await make_store().get([])) == []


async def test_a_value_takes_the_place_of_another(make_store: Any, until_written: Any) -> None:
    store = make_store()
    for value in (b"old", b"new"):
        await store.put({KEYS[0]: value})
        await until_written(store)
    assert list(await store.get([KEYS[0]])) == [b"new"]


async def test_a_value_that_is_too_large_is_not_kept_and_those_beside_it_are(
    make_store: Any, until_written: Any
) -> None:
    store = make_store()
    await store.put({KEYS[0]: TOO_LARGE, KEYS[1]: TOO_LARGE[1:]})
    await until_written(store)
    assert list(await store.get(KEYS[:2])) == [None, TOO_LARGE[1:]]


async def test_a_value_goes_after_its_time(make_store: Any, until_written: Any) -> None:
    store = make_store(ttl=0.05)
    await store.put({KEYS[0]: b"short"})
    await until_written(store)
    async with asyncio.timeout(60):
        while list(await store.get([KEYS[0]])) != [None]:  # noqa: ASYNC110 - no clock of the server's is in our hands
            await asyncio.sleep(0.01)


async def test_a_thousand_values_at_once_are_kept(make_store: Any, until_written: Any) -> None:
    store = make_store()
    values = {number.to_bytes(32, "big"): str(number).encode() for number in range(300)}
    await store.put(values)
    await until_written(store)
    assert list(await store.get(list(values))) == list(values.values())


async def test_a_closed_store_is_closed_for_good(make_store: Any) -> None:
    store = make_store()
    await store.put({KEYS[0]: b"value"})
    await store.close()


async def test_nothing_is_left_of_a_store_that_is_cleared_not_even_what_was_on_its_way(
    make_store: Any, until_written: Any
) -> None:
    store = make_store()
    await store.put({number.to_bytes(32, "big"): b"kept" for number in range(300)})
    await until_written(store)
    await store.put({KEYS[4]: b"on its way"})
    await store.clear()
    await until_written(store)
    assert set(await store.get([*KEYS, *(number.to_bytes(32, "big") for number in range(300))])) == {None}
    await store.put({KEYS[0]: b"new"})
    await until_written(store)
    assert list(await store.get([KEYS[0]])) == [b"new"]
