"""Tokens of a request's texts, for no more work than the model's limit is worth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from panope_backends.errors import InvalidInputError
from panope_backends.texts import check_characters, most_characters

#: Made tokens of at a time: enough for every core, and little to throw away when one text is refused.
_CHARACTERS = 1 << 18

Encode = Callable[[Sequence[str]], list[list[int]]]


def tokenize(
    encode: Encode,
    texts: Sequence[str],
    prompt: str,
    *,
    max_tokens: int,
    truncation: str,
    first_index: int = 0,
    ceiling: int = 0,
) -> list[list[int]]:
    """The ids of each text, after the prompt.

    A text of many more characters than the model can take is refused; or, where it may be truncated, tokens are made of
    the part that is kept and of some more, which is enough if it fills the model.

    Args:
        encode: makes ids of texts.
        texts: of the request.
        prompt: goes before each.
        max_tokens: that the model takes, of one text with its prompt.
        truncation: `refuse`, `end` or `start`.
        first_index: the position in the call of the first of the texts.
        ceiling: more characters than the tokenizer takes of a text; 0 for none.

    Raises:
        InvalidInputError: a text is too long; the message names it and the limit.
    """
    if truncation == "refuse":
        check_characters(texts, max_tokens, first_index=first_index, ceiling=ceiling)
    most = most_characters(max_tokens, ceiling)
    rows: list[list[int]] = []
    for part in _parts([text if len(text) <= most else _kept(text, most, truncation) for text in texts]):
        rows += encode([prompt + text for text in part])
        for index in range(len(rows) - len(part), len(rows)):
            field_index = first_index + index
            _check(rows[index], texts[index], field_index, most=most, max_tokens=max_tokens, truncation=truncation)
    return rows


def _check(ids: Sequence[int], text: str, index: int, *, most: int, max_tokens: int, truncation: str) -> None:
    if truncation == "refuse" and len(ids) > max_tokens:
        raise InvalidInputError.at(
            f"texts[{index}]",
            "{field} has {count:,} tokens; the model takes at most {limit:,}",
            count=len(ids),
            limit=max_tokens,
        )
    # Where the text was cut, its last token may be another than in the whole.
    if len(text) > most and len(ids) <= max_tokens + 1:
        check_characters([text], max_tokens, first_index=index, ceiling=most)


def _kept(text: str, most: int, truncation: str) -> str:
    return text[:most] if truncation == "end" else text[len(text) - most :]


def _parts(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    start = size = 0
    for index, text in enumerate(texts):
        size += len(text)
        if size > _CHARACTERS:
            yield texts[start : index + 1]
            start, size = index + 1, 0
    if start < len(texts):
        yield texts[start:]
