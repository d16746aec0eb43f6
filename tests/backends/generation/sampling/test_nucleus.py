"""What top_p leaves is what a sort of all weights leaves, ties included, however many there are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from panope_backends.generation.sampling.exponentials import exponentials
from panope_backends.generation.sampling.largest import Maxima
from panope_backends.generation.sampling.nucleus import nucleus

Array = np.ndarray[Any, Any]


def by_sorting(weights: Array, mass: float) -> list[int]:
    """Heaviest first, the first of equal ones first, for as long as those before do not reach the mass."""
    order = (-weights).argsort(kind="stable")
    before = np.concatenate([[0.0], weights[order].cumsum(dtype=np.float64)[:-1]])
    count = max(1, int(np.count_nonzero(before < mass)))
    return sorted(order[:count].tolist())


@given(
    seed=st.integers(0, 999),
    size=st.sampled_from([3, 900, 5_000, 17_000, 40_001]),
    spread=st.sampled_from([0.01, 1.0, 2.0, 3.0, 4.0, 9.0]),
    part=st.floats(0.001, 0.999),
)
@settings(max_examples=120)
def test_it_is_what_sorting_all_leaves(seed: int, size: int, spread: float, part: float) -> None:
    logits = (np.random.default_rng(seed).standard_normal(size) * spread).astype(np.float32)
    # Powers of two, so that no sum is rounded in whatever order it is made.
    weights = np.exp2(np.rint(logits)).astype(np.float32)
    total = float(weights.sum(dtype=np.float64))
    expected = by_sorting(weights, part * total)
    event(f"of all: {len(expected) * 10 // size}")
    assert nucleus(weights, part, total, Maxima(weights)).tolist() == expected
    assert nucleus(weights, part, total, None).tolist() == expected


@pytest.mark.parametrize("size", [50, 5_000, 20_000])
def test_of_equal_weights_the_first_stay(size: int) -> None:
    weights = np.ones(size, np.float32)
    assert nucleus(weights, 0.5, size, Maxima(weights)).tolist() == list(range(size // 2))
    assert nucleus(weights, 1e-9, size, Maxima(weights)).tolist() == [0]


@pytest.mark.parametrize("size", [50, 5_000, 20_000])
def test_more_than_all_weigh_leaves_every_weight(size: int) -> None:
    weights = np.arange(1, size + 1, dtype=np.float32)
    assert nucleus(weights, 1.01, float(weights.sum(dtype=np.float64)), Maxima(weights)).tolist() == list(range(size))


@pytest.mark.parametrize("size", [50, 20_000])
def test_weights_of_nothing_never_stay(size: int) -> None:
    weights = np.zeros(size, np.float32)
    weights[[3, 40]] = 1.0
    assert nucleus(weights, 0.99, 2.0, Maxima(weights)).tolist() == [3, 40]
    assert nucleus(weights, 0.5, 2.0, Maxima(weights)).tolist() == [3]


@given(
    largest=st.sampled_from([-1e30, -1e4, -20.0, -19.0, 0.0, 59.0, 60.0, 61.0, 1e4, 1e30]),
    scale=st.sampled_from([1e-30, 0.2, 1.0, 3.0, 1e5]),
)
def test_exponentials_are_right_whatever_the_largest_logit_is(largest: float, scale: float) -> None:
    logits = np.array([largest, largest - 1, largest - 5, -np.inf], np.float32)
    out = np.empty_like(logits)
    offset = exponentials(logits, float(logits[0]), out, scale)
    exact = np.exp((logits.astype(np.float64) - logits[0]) * scale)
    assert np.isfinite(out).all()
    assert np.allclose(out / out[0], exact, rtol=2e-5, atol=1e-30)
    if scale == 1.0:
        assert offset + np.log(out[0]) == pytest.approx(float(logits[0]), rel=1e-6, abs=1e-5)
