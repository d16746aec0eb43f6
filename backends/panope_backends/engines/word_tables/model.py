"""sentence-transformers' modules that look words up: what they give of a batch of word ids, by NumPy.

    WordEmbeddings          `last_hidden_state`, batch × words × values: the table's row of each id
    BoW                     `sentence_embedding`, batch × vocabulary: each word's weight, as often as a text has it
    SparseStaticEmbedding   `sparse_embedding`, batch × vocabulary: the weight of each id that a text has

Of a table there is nothing to compute, so no tensor library is imported, and no format is made of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.api import Arrays, LoadOptions, ModelFacts, TensorModel, TensorSpec
from panope_backends.engines.precision import choose_precision
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.model_facts.module_weights import Floats, read_module_weights
from panope_backends.model_facts.text_graphs import SENTENCE_OUTPUT, SPARSE_OUTPUT, TOKEN_OUTPUTS
from panope_backends.model_facts.word_tables import BAG_OF_WORDS, SPARSE_STATIC, WORD_EMBEDDINGS
from panope_backends.model_facts.word_weights import word_weights

_TABLE = "emb_layer.weight"
_OF_TOKENS = "weight"


def load_word_table(model: ModelFacts, folder: Path, options: LoadOptions) -> TensorModel:
    """Loads the module.

    Args:
        model: what is known of it.
        folder: of the module.
        options: the precision is float32 alone.

    Raises:
        PreconditionError: the file is missing or broken, or its tensors are no table; the message names them.
    """
    choose_precision(options.precision, ("fp32",), "cpu with a table of words")
    if model.architecture == BAG_OF_WORDS:
        return _bag_of_words(model)
    tensors = read_module_weights(folder, model.architecture, pickles="pickles" in model.grants)
    if model.architecture == SPARSE_STATIC:
        return WordCounts(_weights(tensors), SPARSE_OUTPUT, adds=False)
    return WordVectors(_table(tensors))


class WordVectors(TensorModel):
    """Gives the row of each word.

    Args:
        table: words × values.
    """

    precision = "fp32"

    def __init__(self, table: Floats) -> None:
        self._table = table
        self.inputs = [TensorSpec("input_ids", "int64", (-1, -1))]
        self.outputs = [TensorSpec(TOKEN_OUTPUTS[0], "float32", (-1, -1, table.shape[1]))]
        self.index_limits = {"input_ids": len(table)}

    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
        """Looks them up.

        Raises:
            InvalidInputError: an id is past the table.
        """
        del outputs  # there is one
        ids = arrays["input_ids"]
        _check(ids, len(self._table))
        return {TOKEN_OUTPUTS[0]: self._table[ids]}

    def close(self) -> None:
        """Frees the table."""
        del self._table


class WordCounts(TensorModel):
    """Gives each word's weight in a place of its own.

    Args:
        weights: of the words, in the order of their ids.
        output: what it gives, by its name.
        adds: whether a word that comes twice weighs twice.
    """

    precision = "fp32"

    def __init__(self, weights: Floats, output: str, *, adds: bool) -> None:
        self._weights = weights
        self._output = output
        self._adds = adds
        self.inputs = [TensorSpec(name, "int64", (-1, -1)) for name in ("input_ids", "attention_mask")]
        self.outputs = [TensorSpec(output, "float32", (-1, len(weights)))]
        self.index_limits = {"input_ids": len(weights)}

    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
        """Counts them.

        Raises:
            InvalidInputError: an id is past the vocabulary.
        """
        del outputs  # there is one
        ids = arrays["input_ids"]
        _check(ids, len(self._weights))
        texts, places = np.nonzero(arrays["attention_mask"])
        words = ids[texts, places]
        counts = np.zeros((len(ids), len(self._weights)), np.float32)
        if self._adds:
            np.add.at(counts, (texts, words), self._weights[words])
        else:
            counts[texts, words] = self._weights[words]
        return {self._output: counts}


def _check(ids: NDArray[Any], rows: int) -> None:
    if ids.size and not 0 <= int(ids.min()) <= int(ids.max()) < rows:
        raise InvalidInputError("a token id is out of range", field="inputs")


def _bag_of_words(model: ModelFacts) -> WordCounts:
    """Of the module's own file, whose words and weights the task has checked."""
    config = model.config
    weights = word_weights(
        config["vocab"], config["word_weights"], config["unknown_word_weight"], f"config.json of {BAG_OF_WORDS}"
    )
    return WordCounts(weights, SENTENCE_OUTPUT, adds=config["cumulative_term_frequency"])


def _weights(tensors: dict[str, Floats]) -> Floats:
    weights = tensors.get(_OF_TOKENS, np.zeros(0, np.float32))
    if weights.ndim != 1 or not weights.size:
        raise PreconditionError(f"the weights of the module {SPARSE_STATIC} have no list `{_OF_TOKENS}`")
    return weights


def _table(tensors: dict[str, Floats]) -> Floats:
    table = tensors.get(_TABLE, np.zeros(0, np.float32))
    if table.ndim != 2 or not table.size:
        raise PreconditionError(f"the weights of the module {WORD_EMBEDDINGS} have no table `{_TABLE}`")
    return table
