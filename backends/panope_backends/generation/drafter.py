"""How many tokens ahead one sequence guesses, and what."""

from __future__ import annotations

import numpy as np

from panope_backends.generation.prompt_lookup import draft


class Drafter:
    """Guesses the next tokens of one sequence by prompt look-up.

    Guesses that fail cost computing, so it guesses about twice as many tokens as were right the last time.

    Args:
        most: tokens of a guess.
        max_ngram: the most last tokens that are looked for in what came before.
    """

    def __init__(self, most: int, max_ngram: int) -> None:
        self._most = self._next = most
        self._max_ngram = max_ngram
        self._tokens = np.empty(64, np.int64)
        self._count = 0

    def propose(self, tokens: list[int], most: int) -> list[int]:
        """What may come after `tokens`, which are those of the last time and more; at most `most` of them."""
        count = min(most, self._next)
        if count < 1:
            return []
        self._take(tokens)
        return draft(self._tokens[: self._count], self._max_ngram, count)

    def learn(self, right: int) -> None:
        """Hears how many tokens of a guess were right."""
        self._next = min(self._most, 2 * right + 1)

    def _take(self, tokens: list[int]) -> None:
        """Keeps the tokens as an array, in which looking up costs little."""
        if len(tokens) > len(self._tokens):
            self._tokens = np.resize(self._tokens, 2 * len(tokens))
        self._tokens[self._count : len(tokens)] = tokens[self._count :]
        self._count = len(tokens)
