"""The tokenizers that embeddings of texts are made with."""

from __future__ import annotations

from panope_backends.tasks.embed.tokenizers.tokenizer import TextTokenizer
from panope_backends.tasks.embed.tokenizers.word_tokenizer import WordTokenizer

SequenceTokenizer = TextTokenizer | WordTokenizer
