"""How much runs in a batch, so that no batch keeps the device from others for long."""

from __future__ import annotations

#: How much the newest batch counts for the estimate.
_WEIGHT = 0.2
#: A batch that took longer than this many times what was expected, such as the first of a shape, counts as so long.
_MOST = 2.0
#: A batch has at least so many times the tokens that its fixed cost is worth; below, that cost would be most of it.
_LEAST_OVERHEADS = 4


class Pace:
    """Bounds the tokens of a batch by the time that batches have taken; used by one thread at a time.

    Args:
        target_seconds: what one batch should take at most; 0 for any time.

    Attributes:
        overhead_tokens: as many as cost the device the same as a batch does besides its tokens.
    """

    def __init__(self, target_seconds: float) -> None:
        self.overhead_tokens = 0
        self._target_seconds = target_seconds
        self._seconds_per_token = 0.0

    def record(self, tokens: int, seconds: float) -> None:
        """Counts a batch that ran.

        Args:
            tokens: padding included.
            seconds: that the device took.
        """
        measured = seconds / (tokens + self.overhead_tokens)
        known = self._seconds_per_token
        if known:
            measured = known + _WEIGHT * (min(measured, _MOST * known) - known)
        self._seconds_per_token = measured

    def texts(self, length: int) -> int | None:
        """How many texts of a length run together; one always may. None while any number may."""
        if not self._target_seconds or not self._seconds_per_token:
            return None
        tokens = self._target_seconds / self._seconds_per_token - self.overhead_tokens
        return max(1, int(max(tokens, _LEAST_OVERHEADS * self.overhead_tokens)) // length)
