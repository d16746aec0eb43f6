"""Tokens as words, by the rules of OpenAI's tokenizer (`whisper/tokenizer.py`), as transformers has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

#: Languages that are written without spaces: each character is told apart.
_WITHOUT_SPACES = frozenset({"zh", "ja", "th", "lo", "my", "yue"})

_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
#: Marks that stand before the word that they belong to, and those behind it.
_PREPENDED = "\"'“¡¿([{-"
_APPENDED = "\"'.。,，!！?？:：”)]}、"

_HALF = "\ufffd"
"""What a part of a character is decoded to."""


@dataclass(slots=True)
class TokenWord:
    """A word.

    Attributes:
        text: with the space before it.
        begin: its first token, by index.
        end: behind its last.
    """

    text: str
    begin: int
    end: int


def words_of(tokens: Sequence[int], decode: Callable[[Sequence[int]], str], language: str) -> list[TokenWord]:
    """The words of tokens of text, in their order; together they have all tokens.

    Args:
        tokens: none of them special.
        decode: makes text of tokens.
        language: that is spoken, as a code; empty for one with spaces.
    """
    parts = _characters(tokens, decode)
    if language not in _WITHOUT_SPACES:
        parts = _joined_without_space(parts)
    return _with_marks(parts)


def _characters(tokens: Sequence[int], decode: Callable[[Sequence[int]], str]) -> list[TokenWord]:
    """The fewest tokens that are whole characters, one after another."""
    whole = decode(tokens)
    found: list[TokenWord] = []
    begin = length = 0
    for end in range(1, len(tokens) + 1):
        text = decode(tokens[begin:end])
        half = text.find(_HALF)
        # A mark of a half in the whole text as well is one that the model wrote.
        if half < 0 or length + half >= len(whole) or whole[length + half] == _HALF:
            found.append(TokenWord(text, begin, end))
            begin, length = end, length + len(text)
    if begin < len(tokens):
        found.append(TokenWord(decode(tokens[begin:]), begin, len(tokens)))
    return found


def _joined_without_space(parts: Sequence[TokenWord]) -> list[TokenWord]:
    found: list[TokenWord] = []
    for part in parts:
        if not found or part.text.startswith(" ") or part.text.strip() in _PUNCTUATION:
            found.append(part)
        else:
            found[-1] = TokenWord(found[-1].text + part.text, found[-1].begin, part.end)
    return found


def _with_marks(words: Sequence[TokenWord]) -> list[TokenWord]:
    """Marks joined to the words that they belong to."""
    before: list[TokenWord] = []
    for word in reversed(words):
        if before and word.text.startswith(" ") and word.text.strip() in _PREPENDED:
            before[-1] = TokenWord(word.text + before[-1].text, word.begin, before[-1].end)
        else:
            before.append(word)
    found: list[TokenWord] = []
    for word in reversed(before):
        if found and not found[-1].text.endswith(" ") and word.text in _APPENDED:
            found[-1] = TokenWord(found[-1].text + word.text, found[-1].begin, word.end)
        else:
            found.append(word)
    return found
