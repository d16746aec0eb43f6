"""Log-probabilities of the logits as the model gave them, before all settings of sampling."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from panope_backends.api.generation import Logprob, TokenLogprobs
from panope_backends.generation.sampling.exponentials import exponentials
from panope_backends.generation.sampling.largest import Maxima, top
from panope_backends.generation.sampling.sums import sums_of_blocks

Array = np.ndarray[Any, Any]

LOWEST = -9999.0
"""Stands for the logarithm of nothing, which JSON lacks, as in OpenAI's answers."""

TokenBytes = Callable[[int], bytes]
"""What a token stands for: UTF-8, and a part of a character where the token is one."""


def of_rows(logits: Array, token_ids: Sequence[int], count: int, token_bytes: TokenBytes) -> list[TokenLogprobs]:
    """The log-probabilities at several positions, such as those of a prompt.

    Args:
        logits: float32 `[n, vocab]`; each row is of the position before its token. They are left as they are.
        token_ids: the tokens that stand there, one a row.
        count: how many likeliest tokens are told beside each.
        token_bytes: gives the texts.
    """
    out = np.empty(logits.shape[1], np.float32)
    rows = zip(logits, token_ids, strict=True)
    return [of_row(row, token_id, count, token_bytes, out=out) for row, token_id in rows]


def of_row(logits: Array, token_id: int, count: int, token_bytes: TokenBytes, *, out: Array) -> TokenLogprobs:
    """The log-probabilities at one position; the arguments are those of `of_rows`, for one row.

    Args:
        logits: float32 `[vocab]`.
        token_id: the token that stands there.
        count: how many likeliest tokens are told beside it.
        token_bytes: gives the texts.
        out: float32 `[vocab]`, which is overwritten.
    """
    token_ids = [token_id]
    if count:
        maxima = Maxima(logits)
        largest = maxima.largest
        token_ids += top(logits, count, maxima).tolist()
    else:
        largest = float(logits.max())
    values = (logits[token_ids] - _log_sum_exp(logits, largest, out)).clip(LOWEST, 0.0).tolist()
    chosen, *likeliest = map(Logprob, token_ids, map(token_bytes, token_ids), values)
    return TokenLogprobs(chosen, tuple(likeliest))


def _log_sum_exp(logits: Array, largest: float, out: Array) -> np.float64:
    """The logarithm of the sum of exponentials, as stable as the largest logit is finite."""
    offset = exponentials(logits, largest, out)
    return np.float64(offset + math.log(sums_of_blocks(out).sum()))
