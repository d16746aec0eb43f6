"""Whether a worker says something, which it should each second."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from panope_server.runtime.processes.process_supervisor import LivenessProbe

CHECK_SECONDS = 1.0
#: The checks in a row without a word after which a worker gets no more calls, long before it is ended.
UNRESPONSIVE_CHECKS = 5


def worker_liveness(
    heard: Callable[[], int],
    closed: asyncio.Event,
    timeout_seconds: float,
    went_silent: Callable[[], None],
    is_silent: Callable[[], None],
) -> LivenessProbe:
    """The probe of one worker.

    Args:
        heard: how often the worker has sent anything.
        closed: set when it is gone; what is gone is not silent.
        timeout_seconds: of silence, after which it is ended.
        went_silent: told once in each silence, after `UNRESPONSIVE_CHECKS`.
        is_silent: told at each check without a word.
    """
    last, silent = heard(), 0

    async def has_spoken() -> bool:
        nonlocal last, silent
        before, last = last, heard()
        silent = 0 if last != before or closed.is_set() else silent + 1
        if silent:
            is_silent()
        if silent == UNRESPONSIVE_CHECKS:
            went_silent()
        return silent == 0

    threshold = max(1, math.ceil(timeout_seconds / CHECK_SECONDS))
    return LivenessProbe(check=has_spoken, period_seconds=CHECK_SECONDS, failure_threshold=threshold)
