"""Times of tokens, by the attention of the decoder's heads that follow the audio.

The algorithm is OpenAI's (`whisper/timing.py`), as transformers has it (`_extract_token_timestamps`): each head's
weights are normalised over the tokens and smoothed along time, their mean is a table of tokens × time, and dynamic time
warping finds the path through it that is told most.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.tasks.transcribe.segments import TIMESTAMP_SECONDS

#: Steps of the path: a token and a moment further, a token, a moment.
_BOTH, _TOKEN, _MOMENT = 0, 1, 2


def token_times(attention: NDArray[np.float32], filter_width: int) -> list[float]:
    """When the model was done with what each token stands for; the last token's time counts for the next one too.

    Args:
        attention: heads × tokens × moments of `TIMESTAMP_SECONDS`.
        filter_width: of the median along time, an odd number of moments.

    Returns:
        Seconds from the start of the window, for each token and for one that follows them.
    """
    _, tokens, moments = attention.shape
    if not tokens or not moments:
        return [0.0] * (tokens + 1)
    path = _path(np.mean([_smoothed(head, filter_width) for head in attention], axis=0, dtype=np.float32))
    times = [moment * TIMESTAMP_SECONDS for moment in path]
    return [*times, times[-1]]


def _smoothed(weights: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """One head's weights, normalised over the tokens, behind a median along time."""
    spread = weights.std(axis=0, keepdims=True)
    normal: NDArray[np.float32] = (weights - weights.mean(axis=0, keepdims=True)) / np.where(spread > 0, spread, 1)
    beside = width // 2
    if normal.shape[1] <= beside:
        return normal
    padded = np.pad(normal, ((0, 0), (beside, beside)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, width, axis=1)
    found: NDArray[np.float32] = np.partition(windows, beside, axis=-1)[..., beside]
    return found


def _path(told: NDArray[np.float32]) -> list[int]:
    """The moment at which the best path reaches each token."""
    steps = _steps(-told.astype(np.float64))
    token, moment = told.shape
    found = [0] * token
    while token > 0:
        step = _TOKEN if not moment else steps[token, moment]
        if step != _MOMENT:
            found[token - 1] = max(0, moment - 1)
            token -= 1
        if step != _TOKEN:
            moment -= 1
    return found


def _steps(costs: NDArray[np.float64]) -> NDArray[Any]:
    """By which step each place of the table is reached at the least cost, diagonal by diagonal."""
    tokens, moments = costs.shape
    # Places of a diagonal depend on the two diagonals before alone, so that each is computed at once.
    before = np.full(tokens + 1, np.inf, np.float32)
    last = before.copy()
    before[0] = 0.0
    steps = np.full((tokens + 1, moments + 1), _MOMENT, np.int8)
    for diagonal in range(2, tokens + moments + 1):
        rows = np.arange(max(1, diagonal - moments), min(tokens, diagonal - 1) + 1)
        both, token, moment = before[rows - 1], last[rows - 1], last[rows]
        is_both = (both < token) & (both < moment)
        is_token = (token < both) & (token < moment)
        least = np.where(is_both, both, np.where(is_token, token, moment))
        steps[rows, diagonal - rows] = np.where(is_both, _BOTH, np.where(is_token, _TOKEN, _MOMENT))
        new = np.full(tokens + 1, np.inf, np.float32)
        new[rows] = costs[rows - 1, diagonal - rows - 1] + least
        before, last = last, new
    return steps
