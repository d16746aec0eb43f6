"""Token sequences as the padded tensors that an encoder takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.api import TensorModel, TensorSpec
from panope_backends.errors import PreconditionError
from panope_backends.tasks.task import TokenRow
from panope_backends.tasks.tokenizer import TextTokenizer

#: Texts are padded to a multiple of this many tokens. Engines keep something for each shape they meet (OpenVINO half a
#: megabyte), and eight times fewer lengths cost at most 2 % of speed (docs/decisions/0101).
WIDTH_STEP = 8

KNOWN_INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")


class EncoderInputs:
    """Builds the inputs that one model takes, each in its own element type.

    Args:
        max_tokens: the most that the model takes; nothing is padded past it.

    Raises:
        PreconditionError: the model takes an input that cannot be made from token ids.
    """

    def __init__(self, model: TensorModel, tokenizer: TextTokenizer, max_tokens: int) -> None:
        self._dtypes = {spec.name: np.dtype(spec.dtype) for spec in model.inputs}
        self._max_tokens = max_tokens
        self._pad_id = tokenizer.pad_id
        self._left = tokenizer.padding_side == "left"
        unknown = sorted(set(self._dtypes) - set(KNOWN_INPUTS))
        if unknown or "input_ids" not in self._dtypes:
            raise PreconditionError(
                f"the model takes {', '.join(self._dtypes)}; texts give only {', '.join(KNOWN_INPUTS)}"
            )
        if tokenizer.type_ids_vary and "token_type_ids" in self._dtypes:
            raise PreconditionError("the model's tokenizer gives single texts token types other than 0")

    def build(self, sequences: Sequence[TokenRow]) -> tuple[dict[str, NDArray[Any]], NDArray[np.float32]]:
        """Pads the sequences to the longest of them; on the right, to a multiple of `WIDTH_STEP`.

        Padding on the left moves the positions of models that count them from the start, so none is added there.

        Returns:
            The named arrays, texts × tokens, and the attention mask as numbers to pool with.
        """
        longest = max(len(sequence.ids) for sequence in sequences)
        step = 1 if self._left else WIDTH_STEP
        width = max(longest, min(self._max_tokens, -(-longest // step) * step))
        ids = np.full((len(sequences), width), self._pad_id, dtype=self._dtypes["input_ids"])
        mask = np.zeros((len(sequences), width), dtype=np.float32)
        for row, sequence in enumerate(sequences):
            span = slice(width - len(sequence.ids), width) if self._left else slice(0, len(sequence.ids))
            ids[row, span] = sequence.ids
            mask[row, span] = 1
        arrays: dict[str, NDArray[Any]] = {"input_ids": ids}
        for name, dtype in self._dtypes.items():
            if name == "attention_mask":
                arrays[name] = mask.astype(dtype)
            elif name == "token_type_ids":
                arrays[name] = np.zeros_like(ids, dtype=dtype)
            elif name == "position_ids":
                arrays[name] = np.maximum(mask.cumsum(axis=1) - 1, 0).astype(dtype)
        return arrays, mask


def hidden_state_output(outputs: Sequence[TensorSpec]) -> str:
    """The name of the output with one vector for each token.

    Raises:
        PreconditionError: there is none, or it cannot be told which.
    """
    names = [spec.name for spec in outputs]
    for name in ("last_hidden_state", "token_embeddings"):
        if name in names:
            return name
    of_rank_three = [spec.name for spec in outputs if len(spec.shape) == 3]
    if len(of_rank_three) != 1:
        raise PreconditionError(f"none of the model's outputs ({', '.join(names)}) is known to hold token vectors")
    return of_rank_three[0]
