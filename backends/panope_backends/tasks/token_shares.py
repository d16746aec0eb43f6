"""The tokens of texts, where an engine tells those of all together."""

from __future__ import annotations


def token_shares(tokens: int, count: int) -> list[int]:
    """An equal part for each of `count` texts; the first have what is left over."""
    each, more = divmod(tokens, count)
    return [each + (index < more) for index in range(count)]
