"""The tokens of sequences, each in a block of its own, which is all that is kept of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from panope_backends.api import CacheSpec, StepBatch
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.host.memory import memory_bytes

Array = np.ndarray[Any, Any]

_TOKEN_BYTES = 8


@dataclass(frozen=True)
class Text:
    """A sequence of a step.

    Attributes:
        number: in the batch.
        tokens: all of it, `[length]`, those before the step included.
        places: of the tokens that are sampled, in it.
        rows: of the step's logits that are theirs.
    """

    number: int
    tokens: Array
    places: Array
    rows: Array


class Texts:
    """What is kept: a block holds the tokens of one sequence, and any step may go back in them."""

    def __init__(self) -> None:
        self._kept: dict[int, Array] = {}

    def clear(self) -> None:
        """Forgets all."""
        self._kept = {}

    def allocate(self, blocks: int, cache: CacheSpec) -> None:
        """Forgets all, and looks whether so many blocks have room; each one's memory is taken as it grows.

        Raises:
            PreconditionError: they have none.
        """
        self.clear()
        if blocks * cache.block_bytes > memory_bytes():
            raise PreconditionError("the cache needs more memory than there is", reason="out_of_memory")

    def copy(self, copies: Sequence[tuple[int, int]]) -> None:
        """Copies blocks; the numbers are checked."""
        for source, destination in copies:
            self._kept.pop(destination, None)
            if source in self._kept:
                self._kept[destination] = self._kept[source]

    def of(self, batch: StepBatch) -> Iterator[Text]:
        """The sequences of a checked step, each kept with its new tokens.

        Raises:
            InvalidInputError: one begins where nothing was written before; none is changed then.
        """
        blocks, past = batch.block_tables.tolist(), batch.past_lengths.tolist()
        for block, length in zip(blocks, past, strict=True):
            if length > len(self._kept.get(block, ())):
                raise InvalidInputError("a sequence goes on where nothing was written", field="past_lengths")
        for number, (block, length) in enumerate(zip(blocks, past, strict=True)):
            begin, end = batch.token_begins[number : number + 2].tolist()
            before = self._kept.get(block, np.empty(0, np.int64))[:length]
            tokens = np.concatenate([before, np.asarray(batch.tokens[begin:end], np.int64)])
            self._kept[block] = tokens
            rows = np.flatnonzero((batch.sampled >= begin) & (batch.sampled < end))
            yield Text(number, tokens, batch.sampled[rows] - begin + length, rows)


def texts_cache(max_positions: int, precision: str) -> CacheSpec:
    """A block for a whole sequence.

    Args:
        max_positions: of a sequence.
        precision: that the model computes in.
    """
    return CacheSpec(max_positions, max_positions * _TOKEN_BYTES, precision)
