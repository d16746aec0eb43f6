"""What makes tokens of the prompt and the answer less likely, or more.

Each is defined as its authors do: the repetition penalty (CTRL; transformers, vLLM) scales the logits of all tokens of
prompt and answer, presence and frequency penalties (OpenAI; vLLM) are taken off those of the answer's tokens. The
repetition penalty comes first, as in vLLM.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from panope_backends.api.generation import SamplingParams

Array = np.ndarray[Any, Any]

#: Numbers of requests are cut to this, so that no sum or product of float32 leaves the finite numbers.
LARGEST = 1e30


class Penalties:
    """The penalties of one sequence; a token is counted in constant time.

    Args:
        params: of the request.
        prompt_token_ids: its prompt.
    """

    def __init__(self, params: SamplingParams, prompt_token_ids: Iterable[int]) -> None:
        self._repetition = np.float32(np.clip(params.repetition_penalty, 1 / LARGEST, LARGEST))
        self._presence = np.float32(np.clip(params.presence_penalty, -LARGEST, LARGEST))
        self._frequency = np.float32(np.clip(params.frequency_penalty, -LARGEST, LARGEST))
        self._seen = _TokenCounts(prompt_token_ids) if params.repetition_penalty != 1 else None
        self._answered = _TokenCounts() if params.presence_penalty or params.frequency_penalty else None

    def __bool__(self) -> bool:
        """Whether there are any."""
        return self._seen is not None or self._answered is not None

    def append(self, token_id: int) -> None:
        """Counts one more token of the answer."""
        if self._seen is not None:
            self._seen.add(token_id)
        if self._answered is not None:
            self._answered.add(token_id)

    def apply(self, logits: Array) -> None:
        """Changes one row of logits in place."""
        if self._seen is not None:
            ids = self._seen.token_ids
            scores = logits[ids]
            logits[ids] = np.where(scores < 0, scores * self._repetition, scores / self._repetition)
        if self._answered is not None:
            logits[self._answered.token_ids] -= self._presence + self._frequency * self._answered.counts


class _TokenCounts:
    """Different tokens and how often each came, as arrays that grow by doubling."""

    def __init__(self, token_ids: Iterable[int] = ()) -> None:
        ids, counts = np.unique(np.fromiter(token_ids, np.int64), return_counts=True)
        self._ids, self._counts = ids, counts.astype(np.float32)
        self._places = {token_id: place for place, token_id in enumerate(ids.tolist())}

    @property
    def token_ids(self) -> Array:
        return self._ids[: len(self._places)]

    @property
    def counts(self) -> Array:
        return self._counts[: len(self._places)]

    def add(self, token_id: int) -> None:
        place = self._places.setdefault(token_id, len(self._places))
        if place == len(self._ids):
            self._ids = np.concatenate([self._ids, np.zeros(place + 8, np.int64)])
            self._counts = np.concatenate([self._counts, np.zeros(place + 8, np.float32)])
        self._ids[place] = token_id
        self._counts[place] += 1
