"""sentence-transformers' modules that look words up: what they give of a batch of word ids, by NumPy.

    WordEmbeddings   `last_hidden_state`, batch × words × values: the table's row of each id

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
from panope_backends.model_facts.text_graphs import TOKEN_OUTPUTS
from panope_backends.model_facts.word_tables import WORD_EMBEDDINGS

_TABLE = "emb_layer.weight"


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
    tensors = read_module_weights(folder, model.architecture, pickles="pickles" in model.grants)
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
        if ids.size and not 0 <= int(ids.min()) <= int(ids.max()) < len(self._table):
            raise InvalidInputError("a token id is out of range", field="inputs")
        return {TOKEN_OUTPUTS[0]: self._table[ids]}

    def close(self) -> None:
        """Frees the table."""
        del self._table


def _table(tensors: dict[str, Floats]) -> Floats:
    table = tensors.get(_TABLE, np.zeros(0, np.float32))
    if table.ndim != 2 or not table.size:
        raise PreconditionError(f"the weights of the module {WORD_EMBEDDINGS} have no table `{_TABLE}`")
    return table
