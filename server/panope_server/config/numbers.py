"""Numbers as texts, in forms, queries and commands: in the digits of ASCII and as JSON writes them.

Python's own `int` and `float` take more: `1_0`, `１２`, ` 5`, `nan`.
"""

from __future__ import annotations

import math

import msgspec


def read_integer(text: str) -> int | None:
    """The whole number that a text is; None for anything else."""
    try:
        return msgspec.convert(text, int, strict=False)
    except msgspec.ValidationError:
        return None


def read_number(text: str) -> float | None:
    """The number that a text is; None for anything else, and for what has no end."""
    try:
        value = msgspec.convert(text, float, strict=False)
    except msgspec.ValidationError:
        return None
    return value if math.isfinite(value) else None
