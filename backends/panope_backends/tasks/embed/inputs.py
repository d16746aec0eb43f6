"""Token sequences as the padded tensors that an encoder takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.api import TensorModel
from panope_backends.errors import PreconditionError
from panope_backends.model_facts.text_graphs import text_shape
from panope_backends.tasks.embed.tokenizers.kinds import SequenceTokenizer
from panope_backends.tasks.task import TokenRow

#: Texts are padded to a multiple of this many tokens. Engines keep something for each shape they meet (OpenVINO half a
#: megabyte), and eight times fewer lengths cost at most 2 % of speed (docs/decisions/0101).
WIDTH_STEP = 8


class EncoderInputs:
    """Builds the inputs that one model takes, each in its own element type.

    Args:
        max_tokens: the most that the model takes; nothing is padded past it.

    Attributes:
        vocabulary_size: ids are below it, by the weights' own table; 0 when that is not known.
        round_widths: whether texts are padded past the longest of them, to a multiple of `WIDTH_STEP`.

    Raises:
        PreconditionError: the model takes an input that cannot be made from token ids.
    """

    def __init__(self, model: TensorModel, tokenizer: SequenceTokenizer, max_tokens: int) -> None:
        self._dtypes = {spec.name: np.dtype(spec.dtype) for spec in model.inputs}
        self._max_tokens = max_tokens
        self.vocabulary_size = model.index_limits.get("input_ids", 0)
        # Padding is masked, so any id does; tokenizers are given padding tokens that the weights have no row for.
        self._pad_id = tokenizer.pad_id if tokenizer.pad_id < (self.vocabulary_size or 1 << 31) else 0
        self._left = tokenizer.padding_side == "left"
        self._length = text_shape(model.inputs).length
        self.round_widths = True
        if tokenizer.type_ids_vary and "token_type_ids" in self._dtypes:
            raise PreconditionError("the model's tokenizer gives single texts token types other than 0")

    def build(self, sequences: Sequence[TokenRow]) -> tuple[dict[str, NDArray[Any]], NDArray[np.float32]]:
        """Pads the sequences to the longest of them; on the right, to a multiple of `WIDTH_STEP`.

        A model of a fixed length gets that length.

        Padding on the left moves the positions of models that count them from the start, so none is added there.

        Returns:
            The named arrays, texts × tokens, and the attention mask as numbers to pool with.
        """
        longest = max(len(sequence.ids) for sequence in sequences)
        step = WIDTH_STEP if self.round_widths and not self._left else 1
        width = self._length or max(longest, min(self._max_tokens, -(-longest // step) * step))
        ids = np.full((len(sequences), width), self._pad_id, dtype=self._dtypes["input_ids"])
        mask = np.zeros((len(sequences), width), dtype=np.float32)
        for row, sequence in enumerate(sequences):
            span = slice(width - len(sequence.ids), width) if self._left else slice(0, len(sequence.ids))
            ids[row, span] = sequence.ids
            mask[row, span] = 1
            if sequence.unseen:  # on the right alone: see `MultiVectorTask`
                mask[row, len(sequence.ids) - sequence.unseen :] = 0
        arrays: dict[str, NDArray[Any]] = {"input_ids": ids}
        for name, dtype in self._dtypes.items():
            if name == "attention_mask":
                arrays[name] = mask.astype(dtype)
            elif name == "token_type_ids":
                arrays[name] = self._types(sequences, ids.shape, dtype)
            elif name == "position_ids":
                arrays[name] = self._positions(sequences, mask).astype(dtype)
        return arrays, mask

    def _positions(self, sequences: Sequence[TokenRow], mask: NDArray[np.float32]) -> NDArray[Any]:
        """Counted over each text's own tokens, those that others do not see among them."""
        if any(sequence.unseen for sequence in sequences):
            return np.tile(np.arange(mask.shape[1]), (len(mask), 1))
        positions: NDArray[Any] = np.maximum(mask.cumsum(axis=1) - 1, 0)
        return positions

    def _types(self, sequences: Sequence[TokenRow], shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        types = np.zeros(shape, dtype=dtype)
        for row, sequence in enumerate(sequences):
            if sequence.type_ids:
                start = shape[1] - len(sequence.ids) if self._left else 0
                types[row, start : start + len(sequence.ids)] = sequence.type_ids
        return types


def within_positions(model: TensorModel, stated: int) -> int:
    """The stated number of tokens, or what the weights have positions for if that is less."""
    return min(stated, model.max_tokens or stated)
