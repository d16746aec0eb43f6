"""Which tokens may not end an answer yet, and which must end it at its last place."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class Ending:
    """The end of one answer; a token is counted in constant time.

    Args:
        token_ids: that end the answer.
        min_tokens: of the answer, before which none of `token_ids` is drawn.
        forced_token_ids: one of which is the answer's last token where it has `limit` tokens, as with transformers'
            `forced_eos_token_id`; empty for any.
        limit: tokens of the answer at most; None where nobody says.
    """

    def __init__(
        self,
        token_ids: Collection[int] = (),
        min_tokens: int = 0,
        forced_token_ids: Collection[int] = (),
        limit: int | None = None,
    ) -> None:
        self._ids = np.fromiter(token_ids, np.int64)
        self._forced = np.fromiter(forced_token_ids, np.int64)
        self._count = 0
        self._min_tokens = min_tokens if len(self._ids) else 0
        self._last = limit - 1 if limit is not None and len(self._forced) else -1

    def __bool__(self) -> bool:
        """Whether the next token is affected."""
        return self._count < self._min_tokens or self._count == self._last

    def append(self) -> None:
        """Counts one more token of the answer."""
        self._count += 1

    def apply(self, logits: Array) -> None:
        """Changes one row of logits in place, unless a grammar has left nothing else."""
        if self._count == self._last:
            possible = self._forced[logits[self._forced] > -np.inf]
            if len(possible):
                logits.fill(-np.inf)
                logits[possible] = 0
        elif self._count < self._min_tokens:
            forbid(logits, self._ids)


def forbid(logits: Array, token_ids: Array) -> None:
    """Takes tokens from the choice, unless no other is left."""
    before = logits[token_ids]
    logits[token_ids] = -np.inf
    if logits.max() == -np.inf:
        logits[token_ids] = before
