"""Chooses each sequence's next token from its row of logits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from panope_backends.api.generation import TokenLogprobs
from panope_backends.errors import InternalError, InvalidInputError, PanopeError
from panope_backends.generation import logprobs
from panope_backends.generation.bitmasks import empty_masks
from panope_backends.generation.draws import distribution
from panope_backends.generation.grammar import fill_masks
from panope_backends.generation.sampling_state import SamplingState

Array = np.ndarray[Any, Any]

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
    """Samples for all sequences of a step; one thread at a time.

    A row is worked on by itself: 600 kB of it stay in the processor's cache, all rows together would not, and what one
    sequence draws never depends on the others.

    Args:
        vocab_size: columns of the logits.
        token_bytes: texts of tokens for log-probabilities.
    """

    def __init__(self, vocab_size: int, token_bytes: logprobs.TokenBytes = lambda token_id: b"") -> None:
        self._token_bytes = token_bytes
        self._masks = empty_masks(0, 0)
        self._adjusted = np.empty(vocab_size, np.float32)
        self._weights = np.empty(vocab_size, np.float32)

    def sample(self, logits: Sequence[Array], states: Sequence[SamplingState]) -> list[SampledToken]:
        """Chooses one token a row.

        The states do not hear of it: `append` what was chosen before the next step.

        Args:
            logits: float32, a row for each state; they are left as they are.
            states: one a row.
        """
        self._restrict(states)
        return [self._sample(row, state) for row, state in zip(logits, states, strict=True)]

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

    def _sample(self, logits: Array, state: SamplingState) -> SampledToken:
        token_id = self._choose(self._adjust(logits, state), state)
        if token_id == NO_TOKEN:
            return SampledToken(NO_TOKEN, error=_reason(logits))
        if state.top_logprobs is None:
            return SampledToken(token_id)
        return SampledToken(token_id, logprobs.of_row(logits, token_id, state.top_logprobs, self._token_bytes))

    def _adjust(self, logits: Array, state: SamplingState) -> Array:
        if not state.adjusts:
            return logits
        np.copyto(self._adjusted, logits)
        state.adjust(self._adjusted)
        return self._adjusted

    def _choose(self, logits: Array, state: SamplingState) -> int:
        likeliest = int(logits.argmax())
        largest = float(logits[likeliest])
        if not math.isfinite(largest):  # a NaN is taken for the largest
            return NO_TOKEN
        if state.is_greedy:
            return likeliest
        return distribution(logits, largest, state.params, self._weights).draw(state.chance())


def logits_not_finite() -> InternalError:
    """What is told of an answer whose model computes no numbers."""
    return InternalError("the model computed logits that are no numbers", reason="logits_not_finite")


def _reason(logits: Array) -> PanopeError:
    """Why there is nothing to choose from."""
    if not math.isfinite(logits.max()):
        return logits_not_finite()
    return InvalidInputError.at("grammar", "the answer cannot go on: {field} allows no token here")
