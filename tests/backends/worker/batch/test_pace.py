from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panope_backends.worker.batch.pace import Pace


def paced(target_seconds: float, *, overhead_tokens: int = 0, seconds_per_token: float, batches: int = 50) -> Pace:
    """A pace that knows a device on which a batch costs so many tokens besides its own."""
    pace = Pace(target_seconds)
    pace.overhead_tokens = overhead_tokens
    for number in range(batches):
        tokens = 8 + number * 40
        pace.record(tokens, (tokens + overhead_tokens) * seconds_per_token)
    return pace


@pytest.mark.parametrize("pace", [Pace(0.02), paced(0, seconds_per_token=1)], ids=["unmeasured", "without a target"])
def test_nothing_is_bounded_without_a_measurement_or_a_target(pace: Pace) -> None:
    assert pace.texts(100) is None


@given(st.floats(1e-6, 1e-2), st.integers(0, 4096), st.integers(1, 512), st.floats(0.005, 0.1))
def test_a_batch_takes_its_target_at_most_unless_it_is_one_text_or_mostly_its_fixed_cost(
    seconds_per_token: float, overhead: int, length: int, target: float
) -> None:
    pace = paced(target, overhead_tokens=overhead, seconds_per_token=seconds_per_token)
    texts = pace.texts(length)
    assert texts is not None
    seconds = (texts * length + overhead) * seconds_per_token
    assert texts == 1 or seconds <= target * 1.01 or texts * length <= 4 * overhead
    assert texts == 1 or (texts + 1) * length > 4 * overhead, "and a batch is worth its fixed cost"


def test_a_device_that_becomes_slower_gets_smaller_batches_and_one_that_recovers_larger_ones() -> None:
    pace = paced(0.02, seconds_per_token=1e-5)
    before = pace.texts(20)
    for _ in range(50):
        pace.record(1000, 0.1)
    slower = pace.texts(20)
    for _ in range(50):
        pace.record(1000, 0.01)
    after = pace.texts(20)
    assert before is not None
    assert slower is not None
    assert after is not None
    assert slower * 9 <= before
    assert after >= before - 1


def test_one_batch_that_took_long_for_once_hardly_counts() -> None:
    pace = paced(0.02, seconds_per_token=1e-5)
    pace.record(1000, 7.0)
    assert pace.texts(20) == pytest.approx(100 / 1.2, abs=1)
