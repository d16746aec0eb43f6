"""Exponentials of logits, in as few looks at them as they allow."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_LARGEST_SCALE = 1e30
_SAFE = (-20.0, 60.0)
"""Where the largest exponent is within these, sums of millions stay within float32, and what is lost weighs nothing."""


def exponentials(logits: Array, largest: float, out: Array, scale: float = 1.0) -> float:
    """Writes exp(`scale` × logits - offset) of all logits.

    Args:
        logits: float32.
        largest: of them, a finite number.
        out: float32 of the same size.
        scale: above 0.

    Returns:
        The offset: 0 where the exponentials need none, else of the largest, whose exponential is then 1.
    """
    factor = np.float32(min(max(scale, 1 / _LARGEST_SCALE), _LARGEST_SCALE))
    if _SAFE[0] <= largest * float(factor) <= _SAFE[1]:
        exponents, offset = logits, 0.0
    else:
        exponents, offset = np.subtract(logits, np.float32(largest), out=out), largest * float(factor)
    if factor != 1:
        exponents = np.multiply(exponents, factor, out=out)
    np.exp(exponents, out=out)
    return offset
