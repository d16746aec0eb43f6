"""What the JSON forms of several tasks share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from panope_backends.errors import InvalidInputError

Count = Annotated[int, Meta(ge=1)] | Annotated[float, Meta(ge=1)]
"""A whole number in a value, which JSON may write as 2.0."""


def whole_number(number: float | None, field: str) -> int | None:
    """A number of a value as an integer; InvalidInputError for a part of one."""
    if number is None or isinstance(number, int):
        return number
    if not number.is_integer():
        raise InvalidInputError(f"`{field}` must be a whole number", field=field)
    return int(number)


def names_in_value(value: object, schema: type[Struct], alone: str) -> Mapping[str, str]:
    """What a task's fields are called in a value.

    Args:
        value: as it was given.
        schema: of a value with options, whose fields have the task's names.
        alone: the field that a value without options is.
    """
    if not isinstance(value, dict):
        return {alone: "value"}
    return {field.name: f"value.{field.name}" for field in msgspec.structs.fields(schema)}
