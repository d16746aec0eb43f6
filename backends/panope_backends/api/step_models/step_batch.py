"""The input of one step: parts of several sequences, side by side without padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np  # commands that look at models import the contract and start without NumPy

Integers: TypeAlias = "Sequence[int] | np.ndarray[Any, Any]"


@dataclass(frozen=True, eq=False)
class StepSequence:
    """One sequence's part of a step.

    Attributes:
        tokens: the new ones, at least one.
        past_length: tokens of the sequence before them, which the cache holds; the position of the first new token.
        blocks: the block table for all positions up to the last new token, and no further.
        sampled: which of `tokens` logits are wanted of, by index, from the end when negative.
        source: what an encoder-decoder looks at; all sequences of a batch have one, or none has.
        adapter: the number of the adapter that it is run with; 0 for none.
        image_prompt: the number of its prompt at a model that sees images; None for a prompt without any.
    """

    tokens: Integers
    past_length: int
    blocks: Integers
    sampled: Sequence[int] = (-1,)
    source: int | None = None
    adapter: int = 0
    image_prompt: int | None = None


@dataclass(frozen=True, eq=False)
class StepBatch:
    """The parts of `n` sequences: `t` new tokens and `b` block numbers in all, of which `s` tokens are sampled.

    The tokens of sequence `i` are `tokens[token_begins[i]:token_begins[i + 1]]`, its block table is
    `block_tables[block_begins[i]:block_begins[i + 1]]`.

    Attributes:
        tokens: int64 `[t]`, every sequence's new tokens one after another.
        token_begins: int32 `[n + 1]`, from 0 to `t`.
        past_lengths: int32 `[n]`, the tokens of each sequence that the cache holds.
        block_tables: int32 `[b]`, every sequence's block table one after another: the blocks of the positions from 0 to
            its last new token.
        block_begins: int32 `[n + 1]`, from 0 to `b`.
        sampled: int64 `[s]`, indices into `tokens`, in any order; may be empty.
        sources: int32 `[n]`, the source of each sequence at an encoder-decoder; None at any other.
        adapters: int32 `[n]`, the number of each sequence's adapter at a model that takes them, 0 for none; None where
            no sequence has one.
        image_prompts: int32 `[n]`, the number of each sequence's prompt at a model that sees images, -1 for one without
            images; None where no sequence has any.
    """

    tokens: np.ndarray[Any, Any]
    token_begins: np.ndarray[Any, Any]
    past_lengths: np.ndarray[Any, Any]
    block_tables: np.ndarray[Any, Any]
    block_begins: np.ndarray[Any, Any]
    sampled: np.ndarray[Any, Any]
    sources: np.ndarray[Any, Any] | None = None
    adapters: np.ndarray[Any, Any] | None = None
    image_prompts: np.ndarray[Any, Any] | None = None

    @classmethod
    def of(cls, sequences: Sequence[StepSequence]) -> StepBatch:
        """Joins sequences; the rows of logits come in their order, and in that of each one's `sampled`."""
        import numpy as np

        token_begins = _begins([len(sequence.tokens) for sequence in sequences])
        sampled = [
            _index_in_batch(index, begin, len(sequence.tokens))
            for sequence, begin in zip(sequences, token_begins[:-1].tolist(), strict=True)
            for index in sequence.sampled
        ]
        sources = [sequence.source for sequence in sequences if sequence.source is not None]
        adapters = [sequence.adapter for sequence in sequences]
        prompts = [-1 if sequence.image_prompt is None else sequence.image_prompt for sequence in sequences]
        return cls(
            tokens=_joined([sequence.tokens for sequence in sequences], np.int64),
            token_begins=token_begins,
            past_lengths=np.array([sequence.past_length for sequence in sequences], np.int32),
            block_tables=_joined([sequence.blocks for sequence in sequences], np.int32),
            block_begins=_begins([len(sequence.blocks) for sequence in sequences]),
            sampled=np.array(sampled, np.int64),
            sources=np.array(sources, np.int32) if sources else None,
            adapters=np.array(adapters, np.int32) if any(adapters) else None,
            image_prompts=np.array(prompts, np.int32) if max(prompts, default=-1) >= 0 else None,
        )

    @cached_property
    def lengths(self) -> np.ndarray[Any, Any]:
        """int32 `[n]`: the new tokens of each sequence."""
        lengths: np.ndarray[Any, Any] = self.token_begins[1:] - self.token_begins[:-1]
        return lengths

    @cached_property
    def total_lengths(self) -> np.ndarray[Any, Any]:
        """int32 `[n]`: the tokens of each sequence, past and new."""
        totals: np.ndarray[Any, Any] = self.past_lengths + self.lengths
        return totals

    @cached_property
    def positions(self) -> np.ndarray[Any, Any]:
        """int64 `[t]`: the position of each token in its sequence."""
        import numpy as np

        offsets = self.past_lengths.astype(np.int64) - self.token_begins[:-1]
        positions: np.ndarray[Any, Any] = np.arange(len(self.tokens), dtype=np.int64) + np.repeat(offsets, self.lengths)
        return positions


def _index_in_batch(index: int, begin: int, length: int) -> int:
    """The index into all tokens; -1, which no step takes, where the sequence has no such token."""
    return begin + index % length if -length <= index < length else -1


def _begins(lengths: Sequence[int]) -> np.ndarray[Any, Any]:
    import numpy as np

    begins = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=begins[1:])
    return begins


def _joined(parts: Sequence[Integers], dtype: Any) -> np.ndarray[Any, Any]:
    import numpy as np

    return np.concatenate([np.asarray(part, dtype) for part in parts]) if parts else np.empty(0, dtype)
