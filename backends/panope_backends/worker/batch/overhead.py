"""Measures once, when a model is loaded, what a batch costs the device besides its tokens."""

from __future__ import annotations

import time

from panope_backends.tasks.task import SequenceTask, TokenRow

#: One short text, and enough tokens to keep a processor busy.
SMALL = (1, 8)
LARGE = (8, 32)

LEAST_TOKENS = 16
MOST_TOKENS = 4096


def measure_overhead(task: SequenceTask) -> int:
    """How many tokens cost as much as running one more batch; so much padding may be worth fewer batches.

    A processor has next to no cost for a batch as such, so it runs many small batches of one length each; an
    accelerator has, and runs fewer and larger ones. Two shapes tell: time is a fixed part and a part for each token.
    """
    small_tokens, small_seconds = _time(task, *SMALL)
    large_tokens, large_seconds = _time(task, *LARGE)
    per_token = (large_seconds - small_seconds) / max(1, large_tokens - small_tokens)
    fixed = small_seconds - per_token * small_tokens
    if per_token <= 0:
        return MOST_TOKENS
    return round(min(MOST_TOKENS, max(LEAST_TOKENS, fixed / per_token)))


def _time(task: SequenceTask, texts: int, tokens: int) -> tuple[int, float]:
    rows: list[TokenRow] = [task.sample(tokens)] * texts
    task.run(rows)  # engines prepare for a shape when they first meet it
    started = time.perf_counter()
    task.run(rows)
    return sum(len(row.ids) for row in rows), time.perf_counter() - started
