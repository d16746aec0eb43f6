"""Texts, or the token ids of texts: what the inputs of several tasks are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from panope.worker.v1.tokenize_pb2 import TokenSequence
from panope_server.tasks.task import Input

#: Bytes that a queue counts for a token id.
TOKEN_BYTES = 4


@dataclass(slots=True)
class TextsInput(Input):
    """Texts to run; exactly one of `texts` and `token_sequences` is filled.

    Attributes:
        own_ids: whether `token_sequences` are ids of the model's vocabulary; otherwise nobody knows yet whose they are.
        first_index: the position in the call of the first of them; more than 0 for parts of a large call.
    """

    texts: list[str] = field(default_factory=list)
    token_sequences: list[list[int]] = field(default_factory=list)
    own_ids: bool = True
    first_index: int = 0


T = TypeVar("T", bound=TextsInput)


def split_texts(task_input: T, max_items: int) -> Sequence[T]:
    """Parts of at most so many texts or sequences, in order."""
    texts, sequences = task_input.texts, task_input.token_sequences
    count = len(texts) + len(sequences)
    if count <= max_items:
        return [task_input]
    return [
        replace(
            task_input,
            texts=texts[start : start + max_items],
            token_sequences=sequences[start : start + max_items],
            first_index=start,
        )
        for start in range(0, count, max_items)
    ]


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
