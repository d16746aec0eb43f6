"""How much of a step sequences of lower priority have while one of a higher runs, so that its tokens come soon.

A step takes as long as reading the weights does, and longer with each sequence in it: little on a GPU, where the rest
may share the steps of an urgent one, and much on a processor, where 32 sequences take several times as long as one. So
what the rest adds is measured, and bounded. It has a seventeenth of the tokens in any case: nothing waits for ever.
"""

from __future__ import annotations

#: By what part of itself a step of urgent sequences may become longer by others in it.
MOST_LONGER = 0.2

#: Tokens of urgent sequences for each of which, so many, the rest has one in any case.
STARVATION_FACTOR = 16

#: How much the newest step counts.
_NEW_PART = 0.1
#: A step that took so many times what was expected, such as the first of a shape, counts as so long.
_MOST = 2.0
#: Steps whose numbers of tokens vary less than this tell nothing of what a token adds.
_LEAST_VARIANCE = 1e-3

UNBOUNDED = 1 << 30


class Yielding:
    """Learns from steps what tokens add to them, and says how many others may have in a step."""

    def __init__(self) -> None:
        # Of the latest steps: means, and what they vary by, together.
        self._tokens = self._seconds = 0.0
        self._variance = self._covariance = 0.0
        self._credit = 0.0

    def learn(self, tokens: int, seconds: float) -> None:
        """Hears how long a step took."""
        if not self._seconds:
            self._tokens, self._seconds = float(tokens), seconds
            return
        seconds = min(seconds, _MOST * max(self._expected(tokens), self._seconds))
        more, longer = tokens - self._tokens, seconds - self._seconds
        self._tokens += _NEW_PART * more
        self._seconds += _NEW_PART * longer
        self._variance = (1 - _NEW_PART) * (self._variance + _NEW_PART * more * more)
        self._covariance = (1 - _NEW_PART) * (self._covariance + _NEW_PART * more * longer)

    def room(self, urgent: int) -> int:
        """Tokens that others may have in a step of so many urgent ones; `took` is told how many it were."""
        self._credit = min(self._credit + urgent / STARVATION_FACTOR, float(urgent))
        return max(self._cheap(urgent), int(self._credit))

    def took(self, tokens: int) -> None:
        """Others had so many tokens in the step."""
        self._credit = max(0.0, self._credit - tokens)

    def _cheap(self, urgent: int) -> int:
        """As many as make a step little longer; none until steps of several sizes have told what they add."""
        if self._variance < _LEAST_VARIANCE:
            return 0
        each = self._covariance / self._variance
        if each <= 0:
            return UNBOUNDED
        return min(UNBOUNDED, int(MOST_LONGER * max(0.0, self._expected(urgent)) / each))

    def _expected(self, tokens: int) -> float:
        """How long a step of so many tokens takes."""
        if self._variance < _LEAST_VARIANCE:
            return self._seconds
        return self._seconds + self._covariance / self._variance * (tokens - self._tokens)
