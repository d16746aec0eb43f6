"""Models of sentence-transformers that look words up where others run a transformer.

The registry tells them by modules.json, the engines by the class that the registry names, the task by their modules.
"""

from __future__ import annotations

from panope_backends.api import ModelFacts

WORD_EMBEDDINGS = "WordEmbeddings"
"""A vector of each word, of which later modules make a text's."""

WORD_TABLES = frozenset({WORD_EMBEDDINGS})
"""The modules, which are such models' classes too."""

ON_CPU_ALONE = "words are looked up in a table by the backend `cpu`, which there is nothing to gain on other engines"


def is_word_table(model: ModelFacts) -> bool:
    """Whether a model is one."""
    return model.architecture in WORD_TABLES
