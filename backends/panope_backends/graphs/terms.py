"""The words that all descriptions of `panope.json` are made of."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

FILE = "panope.json"

#: More than any model has; each label stands in every answer.
_MAX_LABELS = 1 << 16
_MAX_SIDE = 1 << 14
_MAX_POINTS = 1 << 10

#: Of what values are moved and divided by, far from where float32 ends; past it are NaN and infinity, which json reads.
_MAX_VALUE = 1e6
_MIN_DIVISOR = 1e-6

Name = Annotated[str, Meta(min_length=1, max_length=256)]
Side = Annotated[int, Meta(ge=1, le=_MAX_SIDE)]
Labels = Annotated[list[Name], Meta(max_length=_MAX_LABELS)]
Value = Annotated[float, Meta(ge=-_MAX_VALUE, le=_MAX_VALUE)]
Channels = Annotated[list[Value], Meta(min_length=3, max_length=3)]
Bounds = Annotated[list[Value], Meta(min_length=2, max_length=2)]
Stride = Annotated[int, Meta(ge=1, le=64)]
Points = Annotated[list[Name], Meta(max_length=_MAX_POINTS)]
Part = Annotated[float, Meta(ge=0, le=1)]
Layout = Literal["NCHW", "NHWC"]
Colors = Literal["RGB", "BGR"]


class DescriptionError(Exception):
    """A description says what is not known here; its text names the key."""


def check_texts(texts: list[str], name: str) -> None:
    """Refuses texts that cannot be sent.

    Raises:
        DescriptionError: names the first.
    """
    for at, text in enumerate(texts):
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise DescriptionError(f"`{name}[{at}]` is no text: it has half of a surrogate pair")


def check_divisors(std: list[float], name: str) -> None:
    """Refuses values that nothing can be divided by.

    Raises:
        DescriptionError: names them.
    """
    if min(map(abs, std)) < _MIN_DIVISOR:
        raise DescriptionError(f"`{name}` must not be nearer to 0 than {_MIN_DIVISOR}")
