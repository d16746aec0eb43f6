"""Pieces of grammars in the syntax of Lark that llguidance reads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

#: Blanks where templates write them and nowhere else, as in every other answer that matches a schema: with free white
#: space a weak model writes blanks until its limit.
_BLANKS = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


def literal(text: str) -> str:
    """A text that is neither empty nor has a special token in it."""
    return json.dumps(text)


def json_of(schema: Mapping[str, Any]) -> str:
    """JSON that matches a schema."""
    return f"%json {json.dumps({**schema, 'x-guidance': _BLANKS})}"


class Writer:
    """Writes what has special tokens in it.

    Args:
        mark_ids: of those that answers have -> their ids.
    """

    def __init__(self, mark_ids: Mapping[str, int]) -> None:
        self._ids = mark_ids
        self._marks = (
            re.compile("|".join(map(re.escape, sorted(mark_ids, key=len, reverse=True)))) if mark_ids else None
        )

    def text(self, text: str) -> str:
        """A text, special tokens as tokens; nothing for the empty one."""
        pieces: list[str] = []
        start = 0
        for mark in self._marks.finditer(text) if self._marks is not None else ():
            if between := text[start : mark.start()]:
                pieces.append(literal(between))
            pieces.append(f"<[{self._ids[mark[0]]}]>")
            start = mark.end()
        if rest := text[start:]:
            pieces.append(literal(rest))
        return " ".join(pieces)

    def is_token(self, text: str) -> bool:
        """Whether a text is one special token."""
        return text in self._ids
