"""Tokens that would repeat a run of tokens of prompt and answer: fairseq's and transformers' `no_repeat_ngram_size`."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from typing import Any

import numpy as np

from panope_backends.generation.sampling.endings import forbid

Array = np.ndarray[Any, Any]


class RepeatedNgrams:
    """The runs that one sequence has; a token is counted in constant time.

    Args:
        size: tokens of a run that comes once only, at least 1.
        prompt_token_ids: the tokens before the answer.
    """

    def __init__(self, size: int, prompt_token_ids: Iterable[int]) -> None:
        self._last: deque[int] = deque(maxlen=size - 1)
        self._followers: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        for token_id in prompt_token_ids:
            self.append(token_id)

    def __bool__(self) -> bool:
        """Whether any next token would repeat a run."""
        return tuple(self._last) in self._followers

    def append(self, token_id: int) -> None:
        """Counts one more token."""
        if len(self._last) == self._last.maxlen:
            self._followers[tuple(self._last)].append(token_id)
        self._last.append(token_id)

    def apply(self, logits: Array) -> None:
        """Changes one row of logits in place."""
        forbid(logits, np.array(self._followers[tuple(self._last)], np.int64))
