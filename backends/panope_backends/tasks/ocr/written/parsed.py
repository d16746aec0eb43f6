"""What a Donut writes as JSON, by transformers' own reader of its tags."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import msgspec

from panope_backends.media.processors import import_transformers

_TAG = re.compile(r"<.*?>")


class TagReader:
    """Reads trees of tags.

    Args:
        added: the texts of tokens that were added to the tokenizer.
    """

    def __init__(self, added: Collection[str]) -> None:
        processor = import_transformers().DonutProcessor
        self._processor = processor.__new__(processor)  # it needs no parts for this
        self._added = set(added)

    def json(self, text: str) -> str:
        """The tree as JSON; `{"text_sequence": …}` for a text without tags, or with broken ones."""
        return msgspec.json.encode(self._value(text)).decode()

    def _value(self, text: str) -> Any:
        try:
            return self._processor.token2json(text, added_vocab=self._added)
        except (RecursionError, TypeError, ValueError, LookupError, AttributeError):  # of tags that cross each other
            return {"text_sequence": without_tags(text)}


def without_tags(text: str) -> str:
    """A text without what stands in angle brackets."""
    return _TAG.sub("", text).strip()
