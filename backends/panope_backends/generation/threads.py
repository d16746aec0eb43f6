"""How many threads share the work beside a model's own, such as masks and rows of logits."""

from __future__ import annotations

import os


def usable_threads(most: int) -> int:
    """As many as processors may be used, `most` at most."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(most, processors)
