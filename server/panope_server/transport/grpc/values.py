"""JSON values as protobuf's `Value`, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from google.protobuf.struct_pb2 import ListValue, Value

from panope_backends.errors import InvalidInputError

#: Up to here every whole number of a `Value`, which is a double, is the only one that it stands for.
_MAX_WHOLE = 1 << 53


def plain_value(message: Value) -> object:
    """JSON's own types; whole numbers are integers.

    Raises:
        InvalidInputError: it holds what JSON does not.
    """
    match message.WhichOneof("kind"):
        case "null_value":
            return None
        case "bool_value":
            return message.bool_value
        case "string_value":
            return message.string_value
        case "number_value" if math.isfinite(number := message.number_value):
            return int(number) if number.is_integer() and abs(number) <= _MAX_WHOLE else number
        case "struct_value":
            return {name: plain_value(item) for name, item in message.struct_value.fields.items()}
        case "list_value":
            return list(map(plain_value, message.list_value.values))
    raise InvalidInputError("`value` is no JSON: it holds NaN, Infinity, or a Value of no kind", field="value")


def value_message(value: Any) -> Value:
    """The message of a value, in which NumPy's arrays stand for lists of numbers."""
    holder = ListValue()
    holder.append(_without_arrays(value))
    message: Value = holder.values[0]
    return message


def _without_arrays(value: Any) -> Any:
    match value:
        case np.ndarray():
            return value.tolist()
        case str():
            return value
        case Mapping():
            return {name: _without_arrays(item) for name, item in value.items()}
        case Sequence():
            return [_without_arrays(item) for item in value]
    return value
