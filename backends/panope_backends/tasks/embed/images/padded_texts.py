"""Texts of models that were trained with padding in sight, such as SigLIP: all of one length, and no mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from panope_backends.api import Arrays, TensorModel, TensorSpec

#: As transformers has it where config.json does not tell.
_LENGTH = 64


class PaddedTexts(TensorModel):
    """Takes texts of one length, with a mask, as tokenizing gives them; the model itself sees no mask.

    Args:
        model: takes `input_ids` alone.
        config: of its texts.
    """

    def __init__(self, model: TensorModel, config: Mapping[str, Any]) -> None:
        length = config.get("max_position_embeddings")
        self._model = model
        self.precision = model.precision
        (ids,) = model.inputs
        shape = (ids.shape[0], length if type(length) is int and length > 0 else _LENGTH)
        self.inputs = [TensorSpec(name, ids.dtype, shape) for name in (ids.name, "attention_mask")]
        self.outputs = model.outputs
        self.index_limits, self.max_tokens = model.index_limits, model.max_tokens

    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
        """Runs once, without the mask."""
        return self._model.run({spec.name: arrays[spec.name] for spec in self._model.inputs}, outputs)

    def close(self) -> None:
        """Frees the model."""
        self._model.close()
