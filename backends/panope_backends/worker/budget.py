"""How much runs at once: tokens, and the memory that they take by what is known of the model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.api import TensorModel, TensorSpec
from panope_backends.errors import InvalidInputError
from panope_backends.wire.frames import MAX_FRAME_BYTES

_FLOAT_BYTES = 4

#: What a block keeps for each token: states, queries, keys, values and their sums; and twice what lies between.
_STATES, _BETWEEN = 8, 2

_HIDDEN = ("hidden_size", "d_model", "n_embd", "dim", "emb_dim")
_INTERMEDIATE = ("intermediate_size", "ffn_dim", "n_inner", "d_ff", "hidden_dim", "encoder_ffn_dim")
_HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads", "encoder_attention_heads")


@dataclass(frozen=True)
class Budget:
    """What one run may take.

    Attributes:
        max_tokens: padding included.
        max_bytes: of memory while it runs, by estimate; 0 for any.
        bytes_per_token: by estimate; 0 when nothing is known of the model.
        bytes_per_pair: of each two tokens of one text, such as attention's scores.
    """

    max_tokens: int
    max_bytes: int = 0
    bytes_per_token: int = 0
    bytes_per_pair: int = 0

    def bytes_of(self, length: int) -> int:
        """The memory that one text takes while it runs."""
        return length * self.bytes_per_token + length * length * self.bytes_per_pair

    def texts(self, length: int) -> int:
        """How many texts of a length run together; one always may."""
        together = self.max_tokens // length
        if self.max_bytes and (each := self.bytes_of(length)):
            together = min(together, self.max_bytes // each)
        return max(1, together)

    def check(self, arrays: Mapping[str, NDArray[Any]], model: TensorModel, outputs: Sequence[str] = ()) -> None:
        """Refuses tensors of more texts than run together, and those whose answer is too long to send.

        Args:
            arrays: one for each of the model's inputs, of its type and shape.
            model: that will run them.
            outputs: that are wanted; empty for all.

        Raises:
            InvalidInputError: names the input, its size and the setting that limits it.
        """
        for name in ("input_ids", "inputs_embeds", "decoder_input_ids"):
            if name in arrays and arrays[name].ndim >= 2:
                self._check_texts(f"inputs[{name}]", *arrays[name].shape[:2])
        wanted = [spec for spec in model.outputs if not outputs or spec.name in outputs]
        if (size := sum(_bytes_of(spec, arrays) for spec in wanted)) > MAX_FRAME_BYTES:
            raise InvalidInputError(
                f"the answer would have about {size:,} bytes; the limit is {MAX_FRAME_BYTES:,}", field="inputs"
            )

    def _check_texts(self, field: str, count: int, length: int) -> None:
        most = self.texts(length)
        if count <= most:
            return
        tokens, memory = count * length, count * self.bytes_of(length)
        by_tokens = tokens > self.max_tokens
        what = f"{tokens:,} tokens" if by_tokens else f"about {memory:,} bytes of memory to run"
        limit = (
            f"`workers.max_batch_tokens` is {self.max_tokens:,}"
            if by_tokens
            else f"`workers.max_batch_bytes` is {self.max_bytes:,}"
        )
        raise InvalidInputError.at(
            field,
            "{field} has {count:,} texts of {length:,} tokens, {what}; {limit}, so give at most {most:,} such texts",
            count=count,
            length=length,
            what=what,
            limit=limit,
            most=most,
        )


def budget_of(config: Mapping[str, Any], *, max_tokens: int, max_bytes: int, values_per_token: int = 0) -> Budget:
    """What a model may take.

    Args:
        config: its config.json.
        max_tokens: of one batch.
        max_bytes: of one batch; 0 for any.
        values_per_token: that a run gives beside the states of its blocks.
    """
    hidden = _number(config, _HIDDEN)
    between = _number(config, _INTERMEDIATE) or 4 * hidden
    return Budget(
        max(1, max_tokens),
        max_bytes,
        _FLOAT_BYTES * (_STATES * hidden + _BETWEEN * between + values_per_token) if hidden else 0,
        _FLOAT_BYTES * _number(config, _HEADS) if hidden else 0,
    )


def _number(config: Mapping[str, Any], names: Sequence[str]) -> int:
    values = (config.get(name) for name in names)
    return next((value for value in values if isinstance(value, int) and 0 < value < 1 << 24), 0)


def _bytes_of(spec: TensorSpec, arrays: Mapping[str, NDArray[Any]]) -> int:
    """Of an output, about: its free axes are as long as those of the longest input, in their order."""
    free = max((array.shape for array in arrays.values()), key=math.prod, default=())
    lengths = iter(free)
    shape = [length if length >= 0 else next(lengths, 1) for length in spec.shape]
    return math.prod(shape) * np.dtype(spec.dtype).itemsize
