"""Tokens as TEI tells them: positions count UTF-8 bytes, tokens that were put around a text have none."""

from __future__ import annotations

from itertools import accumulate

import orjson

from panope_server.tasks.tokenize import TokenizedText


def tokens_json(texts: list[str], tokenized: list[TokenizedText]) -> bytes:
    """A list of tokens for each text."""
    return orjson.dumps([_tokens(text, found) for text, found in zip(texts, tokenized, strict=True)])


def _tokens(text: str, found: TokenizedText) -> list[dict[str, object]]:
    at = [0, *accumulate(len(char.encode()) for char in text)]
    told: list[dict[str, object]] = []
    columns = zip(found.ids, found.tokens, found.starts, found.ends, found.special, strict=True)
    for token, words, start, end, special in columns:
        place = (None, None) if special else (at[start], at[end])
        written = words if special else text[start:end]
        told.append({"id": token, "text": written, "special": special, "start": place[0], "stop": place[1]})
    return told
