"""Blocks are counted exactly, and the least recently used content goes first."""

from __future__ import annotations

from array import array

from panope_backends.generation.scheduling.block_keys import BlockKeys
from panope_backends.generation.scheduling.block_pool import BlockPool


def test_each_block_is_given_once_until_it_is_released() -> None:
    pool = BlockPool(3)
    blocks = [pool.take() for _ in range(3)]
    assert sorted(blocks) == [0, 1, 2]
    assert (pool.available, pool.used) == (0, 3)
    pool.release(blocks[:1])
    assert pool.take() == blocks[0]


def test_a_shared_block_is_free_when_all_tables_have_released_it() -> None:
    pool = BlockPool(1)
    block = pool.take()
    pool.share(block)
    pool.release([block])
    assert (pool.references(block), pool.available) == (1, 0)
    pool.release([block])
    assert pool.available == 1


def test_a_content_is_found_until_its_block_is_needed() -> None:
    pool = BlockPool(2)
    first, second = pool.take(), pool.take()
    pool.name(first, b"first")
    pool.name(second, b"second")
    pool.release([second])
    pool.release([first])
    assert (pool.available, pool.cached) == (2, 2)
    assert pool.take() == second, "released first, so the least recently used"
    assert pool.find(b"second") is None
    assert pool.find(b"first") == first


def test_free_blocks_are_taken_before_a_content_is_lost() -> None:
    pool = BlockPool(2)
    block = pool.take()
    pool.name(block, b"content")
    pool.release([block])
    assert pool.take() != block
    assert pool.find(b"content") == block


def test_a_content_that_is_used_again_is_not_evicted() -> None:
    pool = BlockPool(2)
    first, second = pool.take(), pool.take()
    pool.name(first, b"first")
    pool.name(second, b"second")
    pool.release([first, second])
    pool.share(first)
    assert pool.take() == second
    assert pool.available == 0
    assert pool.find(b"first") == first


def test_one_content_has_one_block() -> None:
    pool = BlockPool(2)
    first, second = pool.take(), pool.take()
    pool.name(first, b"content")
    pool.name(second, b"content")
    assert (pool.find(b"content"), pool.cached) == (first, 1)
    pool.release([first, second])
    assert pool.take() == second, "it holds nothing that is known"


def test_a_forgotten_content_is_not_found() -> None:
    pool = BlockPool(1)
    block = pool.take()
    pool.name(block, b"content")
    pool.forget([block])
    assert (pool.find(b"content"), pool.cached) == (None, 0)
    pool.release([block])
    assert pool.take() == block


def chain(cache_key: bytes, tokens: list[int], origin: bytes = b"") -> list[bytes]:
    keys: list[bytes] = []
    BlockKeys(cache_key, 2).extend(keys, tokens, len(tokens) // 2, origin=origin)
    return keys


def test_the_keys_of_two_origins_never_meet() -> None:
    keys = {
        origin: chain(b"model", [1, 2, 3, 4], origin) for origin in (b"", b"salt", b"sal", array("q", [1, 2]).tobytes())
    }
    assert len({key for chained in keys.values() for key in chained}) == 8


def test_a_key_stands_for_all_tokens_before_it_and_for_the_model() -> None:
    keys = chain(b"model", [1, 2, 3, 4])
    assert chain(b"model", [1, 2, 3, 4, 5]) == keys
    assert chain(b"model", [1, 2, 3, 5])[0] == keys[0]
    others = [chain(b"model", [1, 2, 3, 5])[1], chain(b"model", [9, 2, 3, 4])[1], chain(b"other", [1, 2, 3, 4])[1]]
    assert len({keys[1], *others}) == 4
    assert chain(b"model", [3, 4])[0] != keys[1], "the same tokens after others are another content"


def test_a_chain_goes_on_where_it_was() -> None:
    keys = chain(b"model", [1, 2])
    BlockKeys(b"model", 2).extend(keys, [1, 2, 3, 4], 2)
    assert keys == chain(b"model", [1, 2, 3, 4])
