"""Marks in a text that comes in pieces."""

from __future__ import annotations

from collections.abc import Sequence


def split_at(text: str, marks: Sequence[str]) -> tuple[str, str, str]:
    """Divides a text at the first of some marks.

    Returns:
        What is before it, the mark, and what is after it. Without a mark, the text less what may be the beginning of
        one, an empty mark, and that beginning.
    """
    found = min(((place, mark) for mark in marks if (place := text.find(mark)) >= 0), default=None)
    if found is not None:
        place, mark = found
        return text[:place], mark, text[place + len(mark) :]
    keep = max((_overlap(text, mark) for mark in marks), default=0)
    return text[: len(text) - keep], "", text[len(text) - keep :]


def _overlap(text: str, mark: str) -> int:
    """The length of the longest end of a text with which a mark begins."""
    longest = min(len(text), len(mark) - 1)
    return next((length for length in range(longest, 0, -1) if text.endswith(mark[:length])), 0)
