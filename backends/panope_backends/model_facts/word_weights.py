"""The weights of words, as an array. Apart from what tells such models, which the registry reads without numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from panope_backends.errors import PreconditionError


def word_weights(
    vocabulary: Sequence[str], weights: Mapping[str, float], unknown: float, name: str
) -> NDArray[np.float32]:
    """The weight of each word, by sentence-transformers' rule: as it is written, else in lower case, else `unknown`.

    Args:
        vocabulary: the words, in the order of their ids.
        weights: of some words.
        unknown: of all others.
        name: of the file that has them, for messages.

    Raises:
        PreconditionError: one is not finite.
    """
    found = [weights.get(word, weights.get(word.lower(), unknown)) for word in vocabulary]
    with np.errstate(over="ignore"):
        floats = np.array(found, np.float64).astype(np.float32)
    if not np.isfinite(floats).all():
        raise PreconditionError(f"{name} has weights of words that are not finite numbers")
    return floats
