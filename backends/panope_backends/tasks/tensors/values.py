"""Values that are looked up in the weights' tables, checked before anything runs: not every engine looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from panope_backends.api import TensorModel
from panope_backends.errors import InvalidInputError

#: Inputs of transformers that count from 0, whatever is known of the weights.
_FROM_ZERO = frozenset({"input_ids", "decoder_input_ids", "token_type_ids", "position_ids"})


def check_values(arrays: Mapping[str, NDArray[Any]], model: TensorModel) -> None:
    """Refuses ids outside the model's tables, and texts longer than its positions.

    Args:
        arrays: one for each of the model's inputs, of its type and shape.
        model: that will run them.

    Raises:
        InvalidInputError: names the input, the value and the limit.
    """
    for name, array in arrays.items():
        limit = model.index_limits.get(name)
        if array.dtype.kind not in "iu" or (limit is None and name not in _FROM_ZERO):
            continue
        lowest, highest = int(array.min()), int(array.max())
        if lowest < 0 or (limit is not None and highest >= limit):
            value = lowest if lowest < 0 else highest
            most = "" if limit is None else f" to {limit - 1:,}"
            raise InvalidInputError.at(
                f"inputs[{name}]", "{field} has the value {value:,}; the model takes 0{most}", value=value, most=most
            )
    _check_length(arrays, model.max_tokens)


def _check_length(arrays: Mapping[str, NDArray[Any]], most: int) -> None:
    for name in ("input_ids", "inputs_embeds"):
        array = arrays.get(name)
        # With positions of the caller's own, their values count and not the length.
        if most and array is not None and "position_ids" not in arrays and array.shape[1] > most:
            raise InvalidInputError.at(
                f"inputs[{name}]",
                "{field} has texts of {count:,} tokens; the model takes at most {limit:,}",
                count=array.shape[1],
                limit=most,
            )
