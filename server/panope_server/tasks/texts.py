"""Texts, or the token ids of texts: what the inputs of several tasks are made of."""

from __future__ import annotations

from dataclasses import dataclass, field

from panope.worker.v1.tokenize_pb2 import TokenSequence
from panope_server.tasks.task import Input

#: Bytes that a queue counts for a token id.
TOKEN_BYTES = 4


@dataclass(slots=True)
class TextsInput(Input):
    """Texts to run; exactly one of `texts` and `token_sequences` is filled.

    Attributes:
        own_ids: whether `token_sequences` are ids of the model's vocabulary; otherwise nobody knows yet whose they are.
    """

    texts: list[str] = field(default_factory=list)
    token_sequences: list[list[int]] = field(default_factory=list)
    own_ids: bool = True


def text_cost(texts: list[str], token_sequences: list[list[int]]) -> tuple[int, int]:
    """Items and bytes of texts and sequences; bytes of text are estimated by its characters."""
    size = sum(map(len, texts)) + sum(map(len, token_sequences)) * TOKEN_BYTES
    return len(texts) + len(token_sequences), size


def sequence_messages(token_sequences: list[list[int]]) -> list[TokenSequence]:
    """Sequences of ids as workers take them.

    Raises:
        ValueError, TypeError: an id that the message does not hold.
    """
    return [TokenSequence(ids=ids) for ids in token_sequences]
