"""Chooses each sequence's next token from its row of logits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from panope_backends.api.generation import TokenLogprobs
from panope_backends.errors import InternalError, InvalidInputError, PanopeError
from panope_backends.generation.grammar.bitmasks import empty_masks
from panope_backends.generation.grammar.compiler import fill_masks
from panope_backends.generation.sampling import logprobs
from panope_backends.generation.sampling.draws import distribution
from panope_backends.generation.sampling.sampling_state import SamplingState
from panope_backends.host.processors import shared_threads

Array = np.ndarray[Any, Any]

_MOST_THREADS = 4
_ROWS_A_THREAD = 4
"""So few that handing them over costs little beside the work on them."""

NO_TOKEN = -1
"""Where there is nothing to choose from."""


@dataclass(frozen=True, slots=True)
class SampledToken:
    """A token for one sequence.

    Attributes:
        token_id: NO_TOKEN where the sequence cannot go on.
        logprobs: when the sequence wants them.
        error: why it cannot go on; None where there is a token.
    """

    token_id: int
    logprobs: TokenLogprobs | None = None
    error: PanopeError | None = None


class Sampler:
    """Samples for all sequences of a step; one caller at a time.

    A row is worked on by itself: 600 kB of it stay in the processor's cache, all rows together would not, and what one
    sequence draws never depends on the others. Several threads share the rows of a large step, when no engine computes.

    Args:
        vocab_size: columns of the logits.
        token_bytes: texts of tokens for log-probabilities.
        threads: that work on rows; None for as many as help.
    """

    def __init__(
        self,
        vocab_size: int,
        token_bytes: logprobs.TokenBytes = lambda token_id: b"",
        *,
        threads: int | None = None,
    ) -> None:
        count = threads or shared_threads(_MOST_THREADS)
        self._masks = empty_masks(0, 0)
        self._benches = [_Bench(vocab_size, token_bytes) for _ in range(count)]
        self._pool = ThreadPoolExecutor(count, "sampler")

    def sample(self, logits: Sequence[Array] | Array, states: Sequence[SamplingState]) -> list[SampledToken]:
        """Chooses one token a row.

        The states do not hear of it: `append` what was chosen before the next step.

        Args:
            logits: float32, a row for each state; they are left as they are.
            states: one a row.
        """
        self._restrict(states)
        rows = list(zip(logits, states, strict=True))
        parts = min(len(self._benches), sum(not state.is_cheap for state in states) // _ROWS_A_THREAD)
        if parts < 2:
            return self._benches[0].sample(rows)
        shares = [rows[part::parts] for part in range(parts)]
        shared = list(self._pool.map(_Bench.sample, self._benches, shares))
        return [shared[place % parts][place // parts] for place in range(len(rows))]

    def _restrict(self, states: Sequence[SamplingState]) -> None:
        """Gives the states with a grammar their masks."""
        grammars = [state.grammar for state in states if state.grammar is not None]
        if not grammars:
            return
        if len(self._masks) < len(grammars):
            self._masks = empty_masks(len(grammars), grammars[0].vocab_size)
        fill_masks(grammars, self._masks)
        masks = iter(self._masks)
        for state in states:
            state.mask = None if state.grammar is None else next(masks)


class _Bench:
    """What one thread samples with."""

    def __init__(self, vocab_size: int, token_bytes: logprobs.TokenBytes) -> None:
        self._token_bytes = token_bytes
        self._adjusted = np.empty(vocab_size, np.float32)
        self._weights = np.empty(vocab_size, np.float32)

    def sample(self, rows: Iterable[tuple[Array, SamplingState]]) -> list[SampledToken]:
        return [self._sample(logits, state) for logits, state in rows]

    def _sample(self, logits: Array, state: SamplingState) -> SampledToken:
        token_id = self._choose(self._adjust(logits, state), state)
        if token_id == NO_TOKEN:
            return SampledToken(NO_TOKEN, error=_reason(logits))
        if (top := state.top_logprobs) is None:
            return SampledToken(token_id)
        return SampledToken(token_id, logprobs.of_row(logits, token_id, top, self._token_bytes, out=self._weights))

    def _adjust(self, logits: Array, state: SamplingState) -> Array:
        if not state.adjusts:
            return logits
        np.copyto(self._adjusted, logits)
        state.adjust(self._adjusted)
        return self._adjusted

    def _choose(self, logits: Array, state: SamplingState) -> int:
        if state.is_greedy:
            likeliest = int(logits.argmax())
            return likeliest if math.isfinite(logits[likeliest]) else NO_TOKEN  # a NaN is taken for the largest
        left = distribution(logits, state.params, self._weights)
        return NO_TOKEN if left is None else left.draw(state.chance())


def logits_not_finite() -> InternalError:
    """What is told of an answer whose model computes no numbers."""
    return InternalError("the model computed logits that are no numbers", reason="logits_not_finite")


def _reason(logits: Array) -> PanopeError:
    """Why there is nothing to choose from."""
    if not math.isfinite(logits.max()):
        return logits_not_finite()
    return InvalidInputError.at("grammar", "the answer cannot go on: {field} allows no token here")
