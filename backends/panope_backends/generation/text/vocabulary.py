"""What generation needs of a tokenizer: which tokens have a text, and the bytes of each."""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import Any

from tokenizers import Tokenizer

_BYTE = re.compile("<0x([0-9A-F]{2})>")


class TokenVocabulary:
    """The tokens of one tokenizer.

    Args:
        tokenizer: the library's.

    Attributes:
        size: ids go from 0 to one less; a model may have more columns of logits.
        special_ids: tokens that have a text only where special tokens are not skipped.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.size = 1 + max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)
        added = tokenizer.get_added_tokens_decoder()
        self.special_ids = frozenset(token_id for token_id, token in added.items() if token.special)
        self._bytes: dict[int, bytes] = {}

    def has_text(self, token_id: int, *, skip_special_tokens: bool) -> bool:
        """Whether the token adds to a text at all."""
        if skip_special_tokens and token_id in self.special_ids:
            return False
        return bool(self.token_bytes(token_id))

    def token_bytes(self, token_id: int) -> bytes:
        """What the token adds to a text, as UTF-8; a part of a character where the token is one.

        Empty for ids that the vocabulary lacks.
        """
        known = self._bytes.get(token_id)
        if known is None:
            known = self._bytes[token_id] = self._read_bytes(token_id)
        return known

    @cached_property
    def is_byte_level(self) -> bool:
        """Whether a text is its tokens' bytes, one after another, and nothing else."""
        decoders = _decoders(self.tokenizer)
        return [decoder["type"] for decoder in decoders] == ["ByteLevel"]

    @cached_property
    def anchor(self) -> int | None:
        """A token in whose company others have the text that they have inside sentences."""
        for word in ("a", "▁a", "Ġa"):
            token_id = self.tokenizer.token_to_id(word)
            if token_id is not None and self.tokenizer.decode([token_id], skip_special_tokens=False).strip() == "a":
                return int(token_id)
        return None

    @cached_property
    def falls_back_on_bytes(self) -> bool:
        """Whether it has a token for each byte, as SentencePiece has."""
        return any(decoder["type"] == "ByteFallback" for decoder in _decoders(self.tokenizer))

    def _read_bytes(self, token_id: int) -> bytes:
        word = self.tokenizer.id_to_token(token_id)
        if word is None:
            return b""
        if self.is_byte_level:
            return _bytes_of_characters(word)
        if self.falls_back_on_bytes and (match := _BYTE.fullmatch(word)):
            return bytes([int(match[1], 16)])
        return self._text_inside(token_id).encode()

    def _text_inside(self, token_id: int) -> str:
        before, begin = self._before
        text: str = self.tokenizer.decode([*before, token_id], skip_special_tokens=False)
        return text[begin:]

    @cached_property
    def _before(self) -> tuple[list[int], int]:
        """What stands before a token whose text is asked for, and the characters of that."""
        before = [] if self.anchor is None else [self.anchor]
        return before, len(self.tokenizer.decode(before, skip_special_tokens=False))


def _decoders(tokenizer: Tokenizer) -> list[dict[str, Any]]:
    """The steps from tokens to a text, as the tokenizer's file has them."""
    if tokenizer.decoder is None:
        return []
    decoder: dict[str, Any] = json.loads(tokenizer.decoder.__getstate__())
    if decoder["type"] == "Sequence":
        return list(decoder["decoders"])
    return [decoder]


def _bytes_of_characters(word: str) -> bytes:
    """The bytes that a byte-level word stands for; a word with other characters, as added tokens have, is itself."""
    numbers = [_NUMBERS.get(character) for character in word]
    known = [number for number in numbers if number is not None]
    return bytes(known) if len(known) == len(numbers) else word.encode()


def _byte_characters() -> dict[str, int]:
    """GPT-2's alphabet: printable bytes are their own character, the others are counted up from 256."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [number for number in range(256) if number not in printable]
    characters = {chr(number): number for number in printable}
    return characters | {chr(256 + place): number for place, number in enumerate(others)}


_NUMBERS = _byte_characters()
