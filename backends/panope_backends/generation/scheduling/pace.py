"""How many tokens a step may have, so that it ends in time on the device at hand.

A step of 2,048 tokens takes a tenth of a second on one machine and a minute on another. Nobody hears anything while it
runs, and nothing can be cancelled, so the limit follows what was measured.
"""

from __future__ import annotations

#: Steps of fewer tokens say little: they take as long as reading the weights does. No limit is below it, so that what
#: was measured in a bad moment is measured again.
FEWEST_TOKENS = 64

_NEW_PART = 0.3


class Pace:
    """Learns from steps how many tokens a second they compute.

    Args:
        seconds: that a step should take at most.
        first_tokens: the limit until something was measured.
    """

    def __init__(self, seconds: float, first_tokens: int) -> None:
        self._seconds = seconds
        self._first_tokens = first_tokens
        self._rate = 0.0

    @property
    def most_tokens(self) -> int:
        """The limit for the next step."""
        if not self._rate:
            return self._first_tokens
        return max(FEWEST_TOKENS, int(self._rate * self._seconds))

    def learn(self, tokens: int, seconds: float) -> None:
        """Hears how long a step took."""
        if tokens < FEWEST_TOKENS:
            return
        rate = tokens / max(seconds, 1e-6)
        self._rate = rate if not self._rate else (1 - _NEW_PART) * self._rate + _NEW_PART * rate
