"""Checks of fields that the requests of several services have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from panope_backends.errors import InvalidInputError

W = TypeVar("W")


def named_model(name: str) -> str:
    """The name of a model; InvalidInputError for none."""
    if not name:
        raise InvalidInputError.at("model", "{field} is empty")
    return name


def known(values: Mapping[int, W], number: int, field: str) -> W:
    """What a number of an enum stands for; InvalidInputError for one that nobody knows, or that the field refuses."""
    if number not in values:
        raise InvalidInputError.at(field, "{field} has no value {number} here", number=number)
    return values[number]
