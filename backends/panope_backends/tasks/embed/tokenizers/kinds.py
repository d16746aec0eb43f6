"""The tokenizers that embeddings of texts are made with."""

from __future__ import annotations

from panope_backends.tasks.embed.tokenizers.tokenizer import TextTokenizer
from panope_backends.tasks.embed.tokenizers.word_tokenizer import WordTokenizer

SequenceTokenizer = TextTokenizer | WordTokenizer


def alike(one: SequenceTokenizer, other: SequenceTokenizer) -> bool:
    """Whether both give every text the same tokens."""
    if isinstance(one, WordTokenizer):
        return isinstance(other, WordTokenizer) and one.is_like(other)
    return isinstance(other, TextTokenizer) and one.is_like(other)
