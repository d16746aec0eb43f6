"""Steps as frames between a worker and its peers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from panope.worker.v1 import tensor_parallel_pb2 as wire
from panope_backends.api import StepBatch

#: The fields of a step, and the types of their numbers.
_FIELDS = {
    "tokens": np.int64,
    "token_begins": np.int32,
    "past_lengths": np.int32,
    "block_tables": np.int32,
    "block_begins": np.int32,
    "sampled": np.int64,
}


def batch_of(step: wire.PeerStep) -> StepBatch:
    """A step as its worker has sent it."""
    return StepBatch(**{name: np.frombuffer(getattr(step, name), dtype) for name, dtype in _FIELDS.items()})


def step_of(batch: StepBatch) -> wire.PeerStep:
    """A step for peers."""
    return wire.PeerStep(**{name: getattr(batch, name).astype(dtype).tobytes() for name, dtype in _FIELDS.items()})


def copies_of(copy: wire.PeerCopy) -> list[tuple[int, int]]:
    """Pairs of blocks as the worker has sent them."""
    return [
        (int(source), int(destination)) for source, destination in np.frombuffer(copy.copies, np.int64).reshape(-1, 2)
    ]


def copy_of(copies: Sequence[tuple[int, int]]) -> wire.PeerCopy:
    """Pairs of blocks for peers."""
    return wire.PeerCopy(copies=np.array(copies, np.int64).tobytes())
