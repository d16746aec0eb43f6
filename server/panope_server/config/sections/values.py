"""Kinds of values that several sections have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta

from panope_server.config.value_words import WORDS

ByteSize = Annotated[str | int, Meta(extra={WORDS: "a number of bytes, or a text such as `200GB` or `1.5TiB`"})]


HttpUrl = Annotated[str, Meta(pattern=r"^(https?://.+)?\Z", extra={WORDS: "an address such as `https://HOST:PORT`"})]


OpenAiName = Annotated[
    str,
    Meta(
        pattern=r"^(\*|[^*\n]*[^*/\n]|[^/*\n]+/\*)\Z",
        extra={WORDS: "names of models or aliases, `VENDOR/*` for all of a vendor's, or `*` for all"},
    ),
]


class NamedTwiceError(ValueError):
    """A list says two things of one name."""


def check_single(entries: Iterable[str]) -> None:
    """Refuses a list of `NAME=VALUE` that says two things of one name, of which only one could hold.

    Args:
        entries: of the list.

    Raises:
        NamedTwiceError: a name is there twice.
    """
    names = [entry.partition("=")[0] for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise NamedTwiceError(f"`{name}` is named twice; name it once")
