"""Fields that clients know and that cannot be honoured: refused by name, with the reason, whatever the settings say.

A value that asks for nothing, such as null, is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from msgspec import Raw

from panope_backends.errors import InvalidInputError

UNSUPPORTED_FIELD = "unsupported_field"


@dataclass(frozen=True)
class Refusal:
    """Why a field is refused.

    Attributes:
        reason: the end of a sentence that begins with the field.
        neutral: values that ask for nothing, beside null.
    """

    reason: str
    neutral: tuple[object, ...] = ()


class Refusals:
    """The refused fields of one kind of body, by their names."""

    def __init__(self, refusals: Mapping[str, Refusal]) -> None:
        self._refusals = refusals

    @property
    def names(self) -> list[str]:
        """The fields that are refused."""
        return [*self._refusals]

    def without(self, fields: Mapping[str, Raw]) -> dict[str, Raw]:
        """The fields of an object without those of them that ask for nothing.

        Raises:
            InvalidInputError: one asks for something.
        """
        for name, value in fields.items():
            refusal = self._refusals.get(name)
            if refusal is not None and not _is_neutral(value, refusal):
                raise InvalidInputError(f"`{name}` {refusal.reason}", field=name, reason=UNSUPPORTED_FIELD)
        return {name: value for name, value in fields.items() if name not in self._refusals}


def _is_neutral(raw: Raw, refusal: Refusal) -> bool:
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, RecursionError):  # a number out of range, or too deep for a second look
        return False
    return value is None or any(type(value) is type(each) and value == each for each in refusal.neutral)
