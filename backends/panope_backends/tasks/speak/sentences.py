"""A text as the sentences that are spoken one after another."""

from __future__ import annotations

import re

MAX_CHARACTERS = 400
"""Of one run of a model, whose memory grows with them; longer sentences are parted between words."""

#: Behind the marks that end a sentence and the quotes that close it, or where a line ends.
_END = re.compile(r"(?<=[.!?…。！？])[\"'”’»)\]]*\s+|\n+|(?<=[。！？])")


def sentences_of(text: str) -> list[str]:
    """The sentences of a text, none of them blank, each of at most `MAX_CHARACTERS`."""
    found: list[str] = []
    begin = 0
    for match in _END.finditer(text):
        found += _short(text[begin : match.end()])
        begin = match.end()
    return [*found, *_short(text[begin:])]


def _short(sentence: str) -> list[str]:
    rest, found = sentence.strip(), []
    while len(rest) > MAX_CHARACTERS:
        place = rest.rfind(" ", 1, MAX_CHARACTERS + 1)
        place = MAX_CHARACTERS if place < 0 else place
        found.append(rest[:place].rstrip())
        rest = rest[place:].lstrip()
    return [*found, rest] if rest else found
