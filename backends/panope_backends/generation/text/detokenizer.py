"""Tokens to text, piece by piece: a character is given once it is whole.

What comes out in pieces is what the tokenizer's `decode` of prompt and answer has more than of the prompt alone. So an
answer keeps the space between the prompt and itself. Work and memory a token are bounded, whatever the tokens are.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from itertools import dropwhile
from typing import Protocol

from panope_backends.generation.text.vocabulary import TokenVocabulary

_CONTEXT = 8
"""Tokens of the prompt that can decide how an answer begins."""

_UNREADABLE = "\N{REPLACEMENT CHARACTER}"
_LONGEST_CHARACTER = 4


class Detokenizer(Protocol):
    """The text of one answer."""

    def push(self, token_id: int) -> str:
        """What the text has more, in whole characters."""

    def finish(self) -> str:
        """What was held back: a part of a character, as the replacement character."""


def detokenizer(vocabulary: TokenVocabulary, prompt: Sequence[int], *, skip_special_tokens: bool) -> Detokenizer:
    """A detokenizer of an answer.

    Args:
        vocabulary: of the model.
        prompt: the tokens before the answer.
        skip_special_tokens: whether they have no text.
    """
    kind = _ByteDetokenizer if vocabulary.is_byte_level else _WindowDetokenizer
    return kind(vocabulary, prompt, skip_special_tokens)


class _ByteDetokenizer:
    """For byte-level tokenizers, whose texts are their tokens' bytes one after another."""

    def __init__(self, vocabulary: TokenVocabulary, prompt: Sequence[int], skip_special_tokens: bool) -> None:
        self._bytes = vocabulary.token_bytes
        self._skipped = vocabulary.special_ids if skip_special_tokens else frozenset()
        self._characters = codecs.getincrementaldecoder("utf-8")("replace")
        for token_id in _end(prompt, self._skipped):
            self.push(token_id)

    def push(self, token_id: int) -> str:
        return "" if token_id in self._skipped else self._characters.decode(self._bytes(token_id))

    def finish(self) -> str:
        return self._characters.decode(b"", final=True)


class _WindowDetokenizer:
    """For all others: decodes the last tokens again with each new one, as DecodeStream of `tokenizers` does.

    DecodeStream itself keeps unreadable bytes for ever, raises where a text shrinks, and cannot give its rest.
    """

    def __init__(self, vocabulary: TokenVocabulary, prompt: Sequence[int], skip_special_tokens: bool) -> None:
        self._vocabulary = vocabulary
        self._skips = skip_special_tokens
        self._unread: list[int] = []
        end = _end(prompt, vocabulary.special_ids if skip_special_tokens else frozenset())
        self._set_context(list(dropwhile(self._goes_on, end)))
        self._hold_back_end_of_prompt()

    def push(self, token_id: int) -> str:
        if not self._vocabulary.has_text(token_id, skip_special_tokens=self._skips):
            return ""
        self._unread.append(token_id)
        text = self._decode([*self._context, *self._unread])
        if self._is_open(text, self._unread) and len(self._unread) < _LONGEST_CHARACTER:
            return ""
        return self._read(text)

    def finish(self) -> str:
        return self._read(self._decode([*self._context, *self._unread]))

    def _read(self, text: str) -> str:
        has_grown = text.startswith(self._context_text)
        new = text[len(self._context_text) :] if has_grown else self._decode(self._unread)
        anchor = self._vocabulary.anchor
        is_lost = self._is_open(text, self._unread)
        self._set_context([anchor] if is_lost and anchor is not None else self._unread)
        self._unread = []
        return new

    def _set_context(self, token_ids: list[int]) -> None:
        self._context = token_ids
        self._context_text = self._decode(token_ids)

    def _hold_back_end_of_prompt(self) -> None:
        """A character that the prompt has begun is given with its end."""
        whole = self._context
        for count in range(min(_LONGEST_CHARACTER, 1 + len(whole))):
            self._set_context(whole[: len(whole) - count])
            self._unread = whole[len(whole) - count :]
            if not self._is_open(self._context_text, self._context):
                return
        self._set_context(whole)
        self._unread = []

    def _is_open(self, text: str, token_ids: Sequence[int]) -> bool:
        """Whether a text that tokens end may end in a part of a character; a token may also stand for U+FFFD itself."""
        return text.endswith(_UNREADABLE) and bool(token_ids) and self._byte(token_ids[-1]) >= 0x80

    def _goes_on(self, token_id: int) -> bool:
        """Whether a token is a byte within a character; one such before whole characters makes them all unreadable."""
        return 0x80 <= self._byte(token_id) < 0xC0

    def _byte(self, token_id: int) -> int:
        """The byte that a token is; -1 for tokens of more."""
        text = self._vocabulary.token_bytes(token_id)
        return text[0] if len(text) == 1 else -1

    def _decode(self, token_ids: Sequence[int]) -> str:
        return self._vocabulary.tokenizer.decode(token_ids, skip_special_tokens=self._skips)


def _end(prompt: Sequence[int], skipped: frozenset[int]) -> list[int]:
    """The prompt's last tokens that have a text."""
    end: list[int] = []
    for token_id in reversed(prompt):
        if token_id not in skipped:
            end.append(token_id)
            if len(end) == _CONTEXT:
                break
    return end[::-1]
