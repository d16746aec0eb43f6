from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from panope_server.app.garbage import YOUNGEST, tune_garbage_collection


@pytest.fixture
def collector() -> Iterator[None]:
    """Python's collector as it was, afterwards."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("collector")
def test_collections_leave_out_what_is_there_and_are_rarer() -> None:
    kept = [[number] for number in range(1000)]
    tune_garbage_collection()
    assert gc.get_freeze_count() >= len(kept)
    assert gc.get_threshold()[0] == YOUNGEST
    assert not any(each is kept for each in gc.get_objects())


@pytest.mark.usefixtures("collector")
def test_cycles_are_still_found() -> None:
    tune_garbage_collection()
    cycle: list[object] = []
    cycle.append(cycle)
    del cycle
    assert gc.collect() >= 1
