"""What an answer looked at in its source, computed once when it has ended."""

from __future__ import annotations

from typing import Any

import numpy as np

from panope_backends.api import AlignableModel, StepBatch, StepSequence
from panope_backends.generation.scheduling.sequence import Sequence


def source_attention(model: AlignableModel, sequence: Sequence) -> np.ndarray[Any, Any]:
    """The attention of the request's heads: heads × tokens of the answer but the last × states.

    Args:
        model: that the sequence runs on.
        sequence: one that draws no more, with its blocks.
    """
    request, tokens = sequence.request, sequence.tokens[:-1]
    blocks = sequence.table.first(-(-len(tokens) // model.cache.block_size))
    batch = StepBatch.of([StepSequence(tokens, 0, blocks, source=request.source)])
    return model.source_attention(batch, request.given.alignment_heads)[:, request.prompt_length :]
