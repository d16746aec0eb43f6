"""From token vectors to one vector for each text, as sentence-transformers' Pooling does, in float32."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

#: Keeps an empty selection from dividing by zero; sentence-transformers uses the same value.
_LEAST = np.float32(1e-9)


def pool(
    hidden: Floats, attended: Floats, pooled: Floats, modes: Sequence[str], weight_sums: Floats | None = None
) -> Floats:
    """Pools by each mode and joins the vectors in the order of the modes.

    Args:
        hidden: texts × tokens × values.
        attended: texts × tokens; 1 for tokens of the text, 0 for padding, which is on one side only.
        pooled: as `attended`, also 0 for tokens that are left out of pooling, such as a prompt's.
        modes: of `panope_backends.tasks.embed.files.config_files.POOLING_MODES`.
        weight_sums: texts × 1, by which means are divided instead of by the number of tokens; None where tokens were
            not weighed before.

    Returns:
        texts × (values · modes).
    """
    vectors = [_MODES[mode](hidden, attended, pooled, weight_sums) for mode in modes]
    return vectors[0] if len(vectors) == 1 else np.concatenate(vectors, axis=1)


def _cls(hidden: Floats, attended: Floats, pooled: Floats, weight_sums: Floats | None) -> Floats:
    del attended, weight_sums
    vectors: Floats = hidden[np.arange(len(hidden)), pooled.argmax(axis=1)]
    return vectors


def _last_token(hidden: Floats, attended: Floats, pooled: Floats, weight_sums: Floats | None) -> Floats:
    del attended, weight_sums
    last = pooled.shape[1] - 1 - pooled[:, ::-1].argmax(axis=1)
    vectors: Floats = hidden[np.arange(len(hidden)), last] * pooled.max(axis=1)[:, None]  # of no token, zeros
    return vectors


def _max(hidden: Floats, attended: Floats, pooled: Floats, weight_sums: Floats | None) -> Floats:
    del attended, weight_sums
    vectors: Floats = np.where(pooled[:, :, None] > 0, hidden, np.float32(-np.inf)).max(axis=1)
    return vectors


def _mean(hidden: Floats, attended: Floats, pooled: Floats, weight_sums: Floats | None) -> Floats:
    del attended
    sums = pooled.sum(axis=1, keepdims=True) if weight_sums is None else weight_sums
    return _divide(_weighted_sum(hidden, pooled), sums)


def _mean_sqrt_length(hidden: Floats, attended: Floats, pooled: Floats, weight_sums: Floats | None) -> Floats:
    del attended
    sums = pooled.sum(axis=1, keepdims=True) if weight_sums is None else weight_sums
    return _divide(_weighted_sum(hidden, pooled), np.sqrt(np.maximum(sums, _LEAST)))


def _weighted_mean(hidden: Floats, attended: Floats, pooled: Floats, weight_sums: Floats | None) -> Floats:
    # A token weighs its position in the text, counted from 1; tokens that are left out still count as positions.
    weights = attended.cumsum(axis=1, dtype=np.float32) * pooled
    sums = weights.sum(axis=1, keepdims=True) if weight_sums is None else weight_sums
    return _divide(_weighted_sum(hidden, weights), sums)


def _weighted_sum(hidden: Floats, weights: Floats) -> Floats:
    # A batched matrix product: several times faster than multiplying out and summing.
    sums: Floats = np.matmul(weights[:, None, :], hidden)[:, 0, :]
    return sums


def _divide(sums: Floats, weights: Floats) -> Floats:
    means: Floats = np.divide(sums, np.maximum(weights, _LEAST), dtype=np.float32)
    return means


_MODES: dict[str, Callable[[Floats, Floats, Floats, Floats | None], Floats]] = {
    "cls": _cls,
    "max": _max,
    "mean": _mean,
    "mean_sqrt_len_tokens": _mean_sqrt_length,
    "weightedmean": _weighted_mean,
    "lasttoken": _last_token,
}
