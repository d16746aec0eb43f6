"""Models of sentence-transformers that look words up where others run a transformer.

The registry tells them by modules.json, the engines by the class that the registry names, the task by their modules.
"""

from __future__ import annotations

from panope_backends.api import ModelFacts

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
