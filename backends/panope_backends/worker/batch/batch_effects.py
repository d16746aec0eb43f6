"""Measures once, when a model is loaded, whether an item's answer depends on padding or on the items beside it.

Padding is masked, and most models keep to the mask. Some do not: a convolution or a Fourier transform runs over
padding, a decoder that counts positions from the row's start counts padding on the left, activations quantised for a
whole batch take their scale from the largest value in it. What they answer for a text alone, unpadded, is right;
everything that moves it is left out from then on.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.tasks.task import ArrayTask, Rows, SequenceTask, TokenRow

#: Tokens of the probes; no two are padded by the same number, and none is a multiple of the width step.
LENGTHS = (3, 13, 30)

#: In rows of fewer values a direction tells little, and their distance counts.
NARROW = 64

#: The most by which 1 - cosine may grow: rounding of sums in another order, seen below 1e-6 in float32 and below 2e-4
#: in bfloat16.
TOLERANCE_FP32 = 1e-5
TOLERANCE = 1e-3

Flat = NDArray[np.float64]


class Batching(StrEnum):
    """Which texts may run together."""

    ANY = "any"
    """Shorter ones are padded."""
    EQUAL_LENGTH = "equal_length"
    """Those of one length, without padding."""
    ALONE = "alone"
    """None."""


def measure_batching(task: SequenceTask, precision: str) -> Batching:
    """Runs probes alone, padded and in company, and turns padding off in a task whose answers it moves.

    Args:
        task: loaded and tried; of one with several parts each is measured, and what none of them minds may be done.
        precision: that the model computes in.
    """
    return max((_measured(part, precision) for part in task.parts), key=list(Batching).index)


def _measured(task: SequenceTask, precision: str) -> Batching:
    tolerance = TOLERANCE_FP32 if precision == "fp32" else TOLERANCE
    probes = list({len(row.ids): row for row in map(task.sample, LENGTHS)}.values())
    padded = [task.run([row]) for row in probes]
    together = task.run(probes)
    task.pad_alone(False)
    right = np.concatenate([task.run([row]) for row in probes])
    company = _monotone(probes[-1])
    # Both: what takes a scale from a batch's largest value moves only the text that has not got it.
    beside = task.run([company, probes[-1]])
    if _movement(beside, np.concatenate([task.run([company]), right[-1:]])) > tolerance:
        return Batching.ALONE
    if max(_movement(np.concatenate(padded), right), _movement(together, right)) > tolerance:
        return Batching.EQUAL_LENGTH
    task.pad_alone(True)
    return Batching.ANY


def arrays_move(task: ArrayTask, precision: str) -> bool:
    """Whether what a model gives for one item depends on the one beside it.

    Args:
        task: loaded and tried.
        precision: that the model computes in.
    """
    tolerance = TOLERANCE_FP32 if precision == "fp32" else TOLERANCE
    company, probe = task.sample(0), task.sample(1)
    (right,), beside = task.run([probe]), task.run([company, probe])[1]
    # NaN, of values that are no numbers, is no movement that is small.
    return not all(_distance(beside[name], array) <= tolerance for name, array in right.items())


def _distance(one: NDArray[np.generic], right: NDArray[np.generic]) -> float:
    if one.shape != right.shape:
        return np.inf
    flat = _flat(right)
    return _moved(_flat(one), flat, float(np.linalg.norm(flat)))


def _monotone(row: TokenRow) -> TokenRow:
    """One token over and over, in the same length and between the same special tokens.

    Another order of the same tokens would not do: a mean or a largest value over the whole batch would be the same.
    """
    ids = row.ids
    return TokenRow([ids[0], *[ids[1]] * (len(ids) - 2), ids[-1]] if len(ids) > 2 else ids)


def _movement(rows: Rows, right: Rows) -> float:
    """The most that 1 - cosine is for any text; infinite for what is no number."""
    pairs = [(_flat(one), _flat(other)) for one, other in zip(rows, right, strict=True)]
    longest = max(float(np.linalg.norm(other)) for _, other in pairs)
    moved = [_moved(one, other, longest) for one, other in pairs]
    return float(np.nan_to_num(moved, nan=np.inf).max())


def _moved(one: Flat, other: Flat, longest: float) -> float:
    """1 - cosine; of narrow rows what it would be for vectors so far from each other."""
    tiny = float(np.finfo(np.float64).tiny)
    if len(other) < NARROW:
        return 0.5 * (float(np.linalg.norm(one - other)) / max(longest, tiny)) ** 2
    return 1 - float(one @ other) / max(float(np.linalg.norm(one) * np.linalg.norm(other)), tiny)


def _flat(row: NDArray[Any]) -> Flat:
    return np.asarray(row, np.float64).ravel()
