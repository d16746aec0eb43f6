"""How much of a prompt a pipeline reads; what is longer diffusers cuts, and says so in its log alone."""

from __future__ import annotations

import copy
import inspect
import threading
from typing import Any

#: A pipeline of several text encoders has a tokenizer for each.
_TOKENIZERS = ("tokenizer", "tokenizer_2", "tokenizer_3", "tokenizer_4")

#: What tokenizers say whose files tell no limit is far above this.
_NO_LIMIT = 1 << 20


class PromptLimits:
    """Tells of prompts that a pipeline would cut. Safe to use from several threads.

    A tokenizer of CLIP reads as much as its encoder has positions; of others the pipeline has a limit of its own, the
    `max_sequence_length` that nobody gives. Where there are several the one that reads most counts.

    Args:
        pipeline: whose tokenizers are copied, since reading changes how they cut.
    """

    def __init__(self, pipeline: Any) -> None:
        own = inspect.signature(pipeline.__call__).parameters.get("max_sequence_length")
        limit = own.default if own is not None and isinstance(own.default, int) else _NO_LIMIT
        found = [tokenizer for name in _TOKENIZERS if callable(tokenizer := getattr(pipeline, name, None))]
        self._readers = [(copy.deepcopy(tokenizer), _limit_of(tokenizer, limit)) for tokenizer in found]
        self._lock = threading.Lock()

    def excess(self, prompt: str) -> tuple[int, int] | None:
        """The tokens of a prompt that is too long, and how many are read at most; None for one that is read whole."""
        nearest: tuple[int, int] | None = None
        for tokenizer, limit in self._readers:
            if limit >= _NO_LIMIT:
                return None
            with self._lock:
                count = len(tokenizer(prompt, truncation=False, padding=False, verbose=False).input_ids)
            if count <= limit:
                return None
            if nearest is None or limit > nearest[1]:
                nearest = count, limit
        return nearest


def _limit_of(tokenizer: Any, limit: int) -> int:
    positions = getattr(tokenizer, "model_max_length", _NO_LIMIT)
    is_clip = type(tokenizer).__name__.startswith("CLIP")
    return int(positions if is_clip or limit >= _NO_LIMIT else limit)
