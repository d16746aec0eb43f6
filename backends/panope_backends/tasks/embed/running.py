"""Runs a batch of any size on a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from panope_backends.api import Arrays, TensorModel
from panope_backends.tasks.task import Rows

Array = np.ndarray[Any, Any]


def run_whole(model: TensorModel, arrays: Arrays, outputs: Sequence[str], size: int) -> list[Rows]:
    """Some outputs of the whole batch, in float32.

    Args:
        model: to run.
        arrays: its inputs, a text in each row.
        outputs: the names of what is wanted.
        size: of the batches that the model takes; 0 for any. The last of several is filled up with its last text.
    """
    texts = len(next(iter(arrays.values())))
    size = size or texts
    parts: list[list[Rows]] = [[] for _ in outputs]
    for begin in range(0, texts, size):
        part = {name: _filled(array[begin : begin + size], size) for name, array in arrays.items()}
        found = model.run(part, outputs)
        for place, output in zip(parts, outputs, strict=True):
            place.append(np.asarray(found[output], dtype=np.float32)[: texts - begin])
    return [place[0] if len(place) == 1 else np.concatenate(place) for place in parts]


def _filled(rows: Array, size: int) -> Array:
    """Rows up to a batch's size, the last one over and over."""
    return rows if len(rows) == size else np.concatenate([rows, np.repeat(rows[-1:], size - len(rows), axis=0)])
