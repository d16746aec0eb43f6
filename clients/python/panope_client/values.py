"""JSON values as protobuf's `Value` and back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.struct_pb2 import ListValue, NullValue, Struct, Value

#: What JSON can hold.
Json = str | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]


def message_of(value: Json) -> Value:
    """Makes the message of a JSON value.

    Raises:
        TypeError: the value holds what JSON cannot, NaN and infinities among it, or an integer that a 64-bit float
            does not hold exactly.
    """
    match value:
        case None:
            return Value(null_value=NullValue.NULL_VALUE)
        case bool():
            return Value(bool_value=value)
        case int() | float() if _fits(value):
            return Value(number_value=value)
        case str():
            return Value(string_value=value)
        case Mapping() if all(isinstance(key, str) for key in value):
            return Value(struct_value=Struct(fields={key: message_of(item) for key, item in value.items()}))
        case Sequence() if not isinstance(value, bytes | bytearray):
            return Value(list_value=ListValue(values=[message_of(item) for item in value]))
    raise TypeError(f"a value must be what JSON can hold, with finite numbers; {type(value).__name__} is not")


def json_of(message: Value) -> Any:
    """Makes JSON's own types of a message; every number is a float, and what is unset is None."""
    match message.WhichOneof("kind"):
        case "bool_value":
            return message.bool_value
        case "number_value":
            return message.number_value
        case "string_value":
            return message.string_value
        case "struct_value":
            return {key: json_of(item) for key, item in message.struct_value.fields.items()}
        case "list_value":
            return [json_of(item) for item in message.list_value.values]
        case _:
            return None


def _fits(number: float) -> bool:
    try:
        return math.isfinite(number) and float(number) == number
    except OverflowError:
        return False
