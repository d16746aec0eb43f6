"""Drafts of the next tokens, looked up in what the sequence has so far: answers often repeat their prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def draft(tokens: Sequence[int] | Array, max_ngram: int, count: int, *, min_ngram: int = 1) -> list[int]:
    """What followed the last tokens when they came before.

    The longest end of the sequence that came before counts, and of its places the latest with the most tokens after it.
    It looks at each token once for each length that it tries.

    Args:
        tokens: prompt and answer so far; an int64 array saves most of the time, as no list is read.
        max_ngram: the most last tokens that are looked for, at least 1.
        count: the most tokens of a draft.
        min_ngram: the fewest last tokens that are looked for, at least 1.

    Returns:
        At most `count` tokens; none where the last ones never came before.
    """
    known = np.asarray(tokens, np.int64)
    for length in range(min(max_ngram, len(known) - 1), min_ngram - 1, -1):
        ends = _ends(known, length)
        if len(ends):
            full = ends[ends + count <= len(known)]
            begin = int(full[-1] if len(full) else ends[0])
            return [int(token) for token in known[begin : begin + count]]
    return []


def _ends(tokens: Array, length: int) -> Array:
    """Where the last `length` tokens came before: the positions after each place, ascending."""
    places = np.flatnonzero(tokens[length - 1 : -1] == tokens[-1])
    for back in range(1, length):
        places = places[tokens[places + length - 1 - back] == tokens[-1 - back]]
    ends: Array = places + length
    return ends
