"""Caches take memory as they are written."""

import psutil
import pytest

from panope_backends.engines.lazy_memory import lazy_zeros

MEGABYTE = 1 << 20


def test_each_byte_is_zero_and_can_be_written() -> None:
    memory = lazy_zeros(5000)
    assert (memory.size, memory.any()) == (5000, False)
    memory[-1] = 7
    assert memory.sum() == 7


def test_none_is_an_array_as_well() -> None:
    assert lazy_zeros(0).size == 0


@pytest.mark.parametrize("size", [1 << 60, 1 << 80, -1])
def test_more_than_there_is_is_refused(size: int) -> None:
    with pytest.raises(MemoryError):
        lazy_zeros(size)


def test_a_byte_takes_a_page_and_no_huge_one() -> None:
    arrays = [lazy_zeros(8 * MEGABYTE) for _ in range(64)]
    before = psutil.Process().memory_info().rss
    for array in arrays:
        array[4 * MEGABYTE] = 1
    assert psutil.Process().memory_info().rss - before < 32 * MEGABYTE  # with huge pages 128


def test_what_is_only_read_takes_no_memory() -> None:
    memory = lazy_zeros(64 * MEGABYTE)
    before = psutil.Process().memory_info().rss
    assert not memory.any()
    assert psutil.Process().memory_info().rss - before < 16 * MEGABYTE
