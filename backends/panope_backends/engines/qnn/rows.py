"""Runs one graph of one row and fixed lengths over the rows of a call, each filled up to the graph's length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from panope_backends.engines.qnn.files import FIRST, LEAST_MASK, Description
from panope_backends.host.processors import threads_to_use

Array = np.ndarray[Any, Any]


class First:
    """What is computed of a row's mask before the graph, in float on the processor.

    Args:
        runtime: ONNX Runtime.
        description: of the model.
        folder: of its files.
        threads: to compute with; 0 for one a processor.
    """

    def __init__(self, runtime: Any, description: Description, folder: Path, threads: int = 0) -> None:
        self._description = description
        self._session = None
        if description.masks or description.early:
            options = runtime.SessionOptions()
            options.intra_op_num_threads = threads_to_use(threads)
            self._session = runtime.InferenceSession(folder / FIRST, options, providers=["CPUExecutionProvider"])

    def run(self, row: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
        """What the graph takes, of a row as callers give it, and the outputs that are known by then."""
        description = self._description
        full = {name: filled(array, description.length) for name, array in row.items()}
        if self._session is None:
            return full, {}
        taken = [each.name for each in self._session.get_inputs()]
        names = list(dict.fromkeys([*description.masks, *description.early]))
        made = dict(zip(names, self._session.run(names, {name: full[name] for name in taken}), strict=True))
        masks = {name: _bounded(made[name]) for name in description.masks}
        rest = {name: array for name, array in full.items() if name not in taken}
        return rest | masks, {name: made[name] for name in description.early}


class Rows:
    """A whole model.

    Args:
        description: of the model.
        first: what is computed before.
        session: the graph.
    """

    def __init__(self, description: Description, first: First, session: Any) -> None:
        self._description = description
        self._first = first
        self._session = session
        self._late = {each.name for each in session.get_outputs()}

    def run(self, arrays: Mapping[str, Array], outputs: Sequence[str] = ()) -> dict[str, Array]:
        """All rows of a call; `outputs` as those of `TensorModel.run`."""
        names = list(outputs) or [tensor.name for tensor in self._description.outputs]
        some = next(iter(arrays.values()))
        tokens = some.shape[1] if self._description.length else 0
        each = ({name: array[row : row + 1] for name, array in arrays.items()} for row in range(len(some)))
        rows = [self._row(row, names) for row in each]
        return {name: self._joined(name, [row[name] for row in rows], tokens) for name in names}

    def _row(self, row: Mapping[str, Array], names: Sequence[str]) -> dict[str, Array]:
        feed, found = self._first.run(row)
        late = [name for name in names if name in self._late]
        return found | (dict(zip(late, self._session.run(late, feed), strict=True)) if late else {})

    def _joined(self, name: str, rows: Sequence[Array], tokens: int) -> Array:
        tensor = next(tensor for tensor in self._description.outputs if tensor.name == name)
        if not rows:
            shape = [0, *(tokens if size < 0 else size for size in tensor.shape[1:])]
            return np.zeros(shape, tensor.dtype)
        whole = np.concatenate(rows)
        has_tokens = self._description.length and len(tensor.shape) > 1 and tensor.shape[1] < 0
        return np.ascontiguousarray(whole[:, :tokens]) if has_tokens else whole


def filled(row: Array, length: int) -> Array:
    """A text as long as the graph, of which what is added is masked out; as it is where `length` is 0."""
    return np.pad(row, ((0, 0), (0, length - row.shape[1]))) if length else row


def _bounded(mask: Array) -> Array:
    return np.maximum(mask, LEAST_MASK).astype(mask.dtype) if mask.dtype.kind == "f" else mask
