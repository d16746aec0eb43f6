"""What a `TokenModel` has besides, whose engine brings the tokenizer and the chat template, as GGUF files do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable


@runtime_checkable
class TextCodec(Protocol):
    """Makes tokens of texts and texts of tokens, from any thread, without waiting for answers that run."""

    chat_template: str
    """A Jinja template as transformers' tokenizers have; empty where there is none."""

    special_texts: dict[str, str]
    """What the template may call its special tokens, such as `bos_token`, with their texts."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """The ids of a text; special tokens that are written in it count as such.

        Args:
            text: to be read.
            add_special_tokens: whether those that the model wants around a text are put there.
        """

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, without special tokens."""
