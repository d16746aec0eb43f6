"""JSON values as protobuf's `Value` and back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.struct_pb2 import ListValue, NullValue, Struct, Value

from panope_client.errors import InvalidArgumentError

#: What JSON can hold.
Json = str | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]


def message_of(value: Json) -> Value:
    """Makes the message of a JSON value.

    Raises:
        InvalidArgumentError: the value holds what JSON cannot, NaN and infinities among it, or an integer that a 64-bit
            float does not hold exactly.
    """
    try:
        return _message_of(value)
    except RecursionError:
        raise InvalidArgumentError("`value` is nested too deeply", field="value") from None
    except UnicodeEncodeError as error:
        raise InvalidArgumentError("`value` holds a text that UTF-8 cannot encode", field="value") from error


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


def _message_of(value: Json) -> Value:
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
            return Value(struct_value=Struct(fields={key: _message_of(item) for key, item in value.items()}))
        case Sequence() if not isinstance(value, bytes | bytearray):
            return Value(list_value=ListValue(values=[_message_of(item) for item in value]))
    kind = type(value).__name__
    message = f"`value` must be what JSON can hold, with finite numbers; {kind} is not"
    raise InvalidArgumentError(message, field="value")


def _fits(number: float) -> bool:
    try:
        return math.isfinite(number) and float(number) == number
    except OverflowError:
        return False
