"""What a model that generates says of itself, for metrics and for whoever chooses between instances."""

from __future__ import annotations

from dataclasses import dataclass

TOKEN_INTERVAL_BOUNDS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds up to which times between tokens are counted together, ascending; above the last there is one more."""


@dataclass(frozen=True, slots=True)
class GenerationStatistics:
    """Numbers of now, and counts since the model was loaded.

    Attributes:
        running: sequences that have a place in the cache.
        waiting: sequences that wait for one, pre-empted ones included.
        blocks: of the cache.
        blocks_used: those that sequences hold.
        blocks_cached: those whose content later sequences can start with, used or not.
        steps: counted.
        prompt_tokens: of the requests that were started.
        cached_tokens: of those, found computed.
        completion_tokens: of all answers.
        drafted_tokens: guessed by speculation.
        accepted_tokens: of those, right; they are in `completion_tokens`.
        preemptions: how often a sequence gave its blocks back before its end.
        failed_steps: steps that ended with an exception.
    """

    running: int = 0
    waiting: int = 0
    blocks: int = 0
    blocks_used: int = 0
    blocks_cached: int = 0
    steps: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    drafted_tokens: int = 0
    accepted_tokens: int = 0
    preemptions: int = 0
    failed_steps: int = 0
