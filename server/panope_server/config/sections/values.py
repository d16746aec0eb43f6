"""Kinds of values that several sections have."""

from __future__ import annotations

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
