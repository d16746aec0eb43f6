"""Runs items of one shape by a model that takes a batch of them, such as images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from panope_backends.api import Arrays, TensorModel
from panope_backends.errors import InternalError, PreconditionError
from panope_backends.tasks.task import ArrayItem, ArrayTask

#: A patch of so many pixels costs about what a token does: it is what one becomes in a ViT.
PIXELS_OF_TOKEN = 16 * 16


class StackedArrays(ArrayTask):
    """One loaded model whose inputs and outputs all have the batch as their first axis.

    Args:
        model: to run.
        outputs: the names of those that are wanted.
        sample: makes an item to try with of a number, all of one shape.

    Raises:
        PreconditionError: the model has not these outputs.
    """

    def __init__(self, model: TensorModel, outputs: Sequence[str], sample: Callable[[int], ArrayItem]) -> None:
        given = [spec.name for spec in model.outputs]
        if missing := [name for name in outputs if name not in given]:
            raise PreconditionError(f"the graph gives {', '.join(given)[:200]}, and not `{missing[0]}`")
        self._model = model
        self._outputs = tuple(outputs)
        self._sample = sample
        self._types = {spec.name: np.dtype(spec.dtype) for spec in model.inputs}
        fixed = {spec.shape[0] for spec in model.inputs if spec.shape and spec.shape[0] > 0}
        self._size = max(fixed, default=0)

    def run(self, items: Sequence[ArrayItem]) -> Sequence[Arrays]:
        """In batches of the model's own size, if it has one; the last of several is filled up with its last item."""
        size = self._size or len(items)
        found: list[Arrays] = []
        for begin in range(0, len(items), size):
            part = list(items[begin : begin + size])
            filled = [*part, *[part[-1]] * (size - len(part))]
            given = self._model.run(self._stacked(filled), self._outputs)
            found += [_row(given, index, size) for index in range(len(part))]
        return found

    def sample(self, number: int) -> ArrayItem:
        """As was said when it was made."""
        return self._sample(number)

    def trial(self) -> None:
        """Runs an item once, so that a model that cannot answer is never called ready.

        Raises:
            PreconditionError: the model's answer is no number.
        """
        (given,) = self.run([self.sample(0)])
        if any(np.isnan(array).any() for array in given.values()):
            raise PreconditionError("the model gives values that are no numbers")

    def _stacked(self, items: Sequence[ArrayItem]) -> Mapping[str, np.ndarray]:
        """One array for each of the model's inputs, of its type."""
        if lacking := [name for name in self._types if name not in items[0].arrays]:
            raise PreconditionError(f"the graph takes `{lacking[0]}`, which the model's processor does not make")
        return {
            name: np.ascontiguousarray(np.stack([item.arrays[name] for item in items]), dtype=dtype)
            for name, dtype in self._types.items()
        }


def tokens_of(arrays: Arrays) -> int:
    """What arrays cost the device, by the pixels of the largest, whose first axis is the channels."""
    largest = max(arrays.values(), key=lambda array: array.size)
    channels = largest.shape[0] if largest.ndim > 2 else 1
    return max(1, largest.size // max(1, channels) // PIXELS_OF_TOKEN)


def _row(given: Arrays, index: int, size: int) -> Arrays:
    if any(len(array) != size for array in given.values()):
        raise InternalError("the model gave answers to another number of items than it was given")
    return {name: np.asarray(array[index]) for name, array in given.items()}
