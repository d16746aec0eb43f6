"""What makes scores of a classifier's own values, and which of them a request asks for."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from panope_backends.errors import InvalidInputError
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


def best_of(values: Rows, function: Function, top_k: int) -> tuple[NDArray[np.intp], Rows]:
    """The labels with the highest scores, and those; of equal ones the label that comes first.

    Args:
        values: texts × labels.
        function: that makes scores of them.
        top_k: how many of each row.

    Returns:
        Both texts × `top_k`.
    """
    scores = scores_of(values, function)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]
    return order, np.take_along_axis(scores, order, axis=1)


def function_asked(given: str, usual: Function) -> Function:
    """The function of a request.

    Raises:
        InvalidInputError: there is none of that name.
    """
    if not given:
        return usual
    found = next((function for function in FUNCTIONS if function == given), None)
    if found is None:
        raise InvalidInputError.at("function", "{field} must be one of {known}", known=", ".join(FUNCTIONS))
    return found


def top_k_asked(given: int | None, labels: int) -> int:
    """How many labels a request asks for; None for all.

    Raises:
        InvalidInputError: it asks for none.
    """
    if given is None:
        return labels
    if given < 1:
        raise InvalidInputError.at("top_k", "{field} must be at least 1")
    return min(given, labels)
