"""Models of sentence-transformers that look words up where others run a transformer.

The registry tells them by modules.json, the engines by the class that the registry names, the task by their modules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from panope_backends.api import ModelFacts
from panope_backends.errors import PreconditionError

WORD_EMBEDDINGS = "WordEmbeddings"
"""A vector of each word, of which later modules make a text's."""

BAG_OF_WORDS = "BoW"
"""A text's vector has a place for each word, with the word's weight for each time that the text has it."""

SPARSE_STATIC = "SparseStaticEmbedding"
"""A sparse vector that has the weight of each token of a text."""

WORD_TABLES = frozenset({WORD_EMBEDDINGS, BAG_OF_WORDS, SPARSE_STATIC})
"""The modules, which are such models' classes too."""

ON_CPU_ALONE = "words are looked up in a table by the backend `cpu` alone"


def is_word_table(model: ModelFacts) -> bool:
    """Whether a model is one."""
    return model.architecture in WORD_TABLES


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
