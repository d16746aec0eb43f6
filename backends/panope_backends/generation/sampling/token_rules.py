"""Keeps an answer to its `TokenRules`: suppressed tokens, and timestamps as Whisper has them."""

from __future__ import annotations

from typing import Any

import numpy as np

from panope_backends.api.token_rules import TimestampRules, TokenRules

Array = np.ndarray[Any, Any]


class RuledTokens:
    """The rules of one answer, and what of it they depend on; a token is counted in constant time.

    Args:
        rules: of the request.
    """

    def __init__(self, rules: TokenRules) -> None:
        self._suppressed = np.array(rules.suppressed, np.int64)
        self._first = np.array(rules.suppressed_first, np.int64)
        self._allowed = np.array(rules.allowed, np.int64)
        self._timestamps = None if rules.timestamps is None else _Timestamps(rules.timestamps)
        self._is_first = True

    def append(self, token_id: int) -> None:
        """Counts one more token of the answer."""
        self._is_first = False
        if self._timestamps is not None:
            self._timestamps.append(token_id)

    def apply(self, logits: Array) -> None:
        """Changes one row of logits in place: what may not be drawn is -inf."""
        if self._allowed.size:
            kept = logits[self._allowed]
            logits.fill(-np.inf)
            logits[self._allowed] = kept
        logits[self._suppressed] = -np.inf
        if self._is_first:
            logits[self._first] = -np.inf
        if self._timestamps is not None:
            self._timestamps.apply(logits)


class _Timestamps:
    """`WhisperTimeStampLogitsProcessor` of transformers, and `ApplyTimestampRules` of OpenAI's package."""

    def __init__(self, rules: TimestampRules) -> None:
        self._rules = rules
        self._length = 0
        self._lasts = (True, False)  # whether the last but one token, and the last one, are timestamps
        self._latest = -1

    def append(self, token_id: int) -> None:
        is_timestamp = token_id >= self._rules.first_id
        self._length += 1
        self._lasts = (True if self._length == 1 else self._lasts[1], is_timestamp)
        if is_timestamp:
            self._latest = token_id

    def apply(self, logits: Array) -> None:
        first, eos = self._rules.first_id, self._rules.eos_id
        before, last = self._lasts
        if last and before:
            logits[first:] = -np.inf
        elif last:
            logits[:eos] = -np.inf
        if self._latest >= 0:  # timestamps never fall, and a segment is not empty
            logits[first : self._latest + (0 if last and not before else 1)] = -np.inf
        if self._length == 0:
            logits[:first] = -np.inf
            if self._rules.max_initial is not None:
                logits[first + self._rules.max_initial + 1 :] = -np.inf
        stamps = logits[first:]
        if not stamps.size:
            return
        largest = stamps.max()
        if largest == -np.inf:
            return
        together = largest + np.log(np.exp(stamps - largest).sum())
        if together > logits[:first].max():
            logits[:first] = -np.inf
