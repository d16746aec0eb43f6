"""What makes scores of a classifier's own values."""

from __future__ import annotations

from typing import Literal

import numpy as np

from panope_backends.tasks.task import Rows

Function = Literal["softmax", "sigmoid", "none"]

FUNCTIONS: tuple[Function, ...] = ("softmax", "sigmoid", "none")


def usual_function(labels: int) -> Function:
    """What makes scores of the values of so many labels, where nobody says otherwise."""
    return "sigmoid" if labels == 1 else "softmax"


def scores_of(values: Rows, function: Function) -> Rows:
    """The scores of rows of values, in float32.

    Args:
        values: texts × labels.
        function: `softmax` sums up to 1 over the last axis, `sigmoid` looks at each value alone, `none` leaves them.
    """
    if function == "softmax":
        powers = np.exp(values - values.max(axis=-1, keepdims=True))
        scores: Rows = powers / powers.sum(axis=-1, keepdims=True)
        return scores
    if function == "sigmoid":
        # Of large negative values e^-x has no number; the other form of the same has.
        small = np.exp(-np.abs(values))
        return np.where(values >= 0, 1 / (1 + small), small / (1 + small)).astype(np.float32)
    return values
