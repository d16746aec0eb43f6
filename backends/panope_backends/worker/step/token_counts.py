"""How many tokens were generated, and how long each let wait for itself."""

from __future__ import annotations

from bisect import bisect_left

from panope_backends.api import TOKEN_INTERVAL_BOUNDS, TokenDelta

TokenTimes = dict[tuple[int, int], float]
"""When each sequence of a request had its last token, by the model's id of its prompt and the answer's index."""


class TokenCounts:
    """What deltas tell. One thread notes, any thread reads.

    Attributes:
        intervals: tokens by how long after the one before they came: one number for each of `TOKEN_INTERVAL_BOUNDS`,
            and one above the last.
        interval_seconds: the sum of these times.
        prompt_tokens: of requests that have ended.
        cached_tokens: of those, found computed.
        completion_tokens: of all answers; pieces of text where an engine tells no tokens.
    """

    def __init__(self) -> None:
        self.intervals = [0] * (len(TOKEN_INTERVAL_BOUNDS) + 1)
        self.interval_seconds = 0.0
        self.prompt_tokens = self.cached_tokens = self.completion_tokens = 0

    def note(self, delta: TokenDelta, now: float, times: TokenTimes) -> None:
        """Takes what a sequence has more; tokens that come together share the time since the one before.

        Args:
            delta: of the model.
            now: when it came.
            times: of the request that the sequence is of; they end with it, however it ends.
        """
        key = delta.request_id, delta.index
        tokens = len(delta.token_ids) or bool(delta.text)
        self.completion_tokens += tokens
        if tokens and (before := times.get(key)) is not None:
            self.intervals[bisect_left(TOKEN_INTERVAL_BOUNDS, (now - before) / tokens)] += tokens
            self.interval_seconds += now - before
        if delta.finish_reason is not None:
            times.pop(key, None)
        elif tokens:
            times[key] = now
        if delta.usage is not None:
            self.prompt_tokens += delta.usage.prompt_tokens
            self.cached_tokens += delta.usage.cached_tokens
