"""Whole numbers of a model's JSON files, which messages tell: those of hundreds of digits are refused."""

from __future__ import annotations

#: transformers writes 10**30 for a length without a limit.
_MOST_DIGITS = 40


class LongNumberError(ValueError):
    """A number has more digits than any that is meant.

    Attributes:
        digits: that it has.
    """

    def __init__(self, digits: int) -> None:
        super().__init__(digits)
        self.digits = digits


def whole_number(text: str) -> int:
    """For `json.loads` as its `parse_int`.

    Raises:
        LongNumberError: it has more than 40 digits.
    """
    if (digits := len(text.lstrip("-"))) > _MOST_DIGITS:
        raise LongNumberError(digits)
    return int(text)
