"""Requests of named tensors, each run by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from panope.worker.v1 import tensors_pb2 as messages
from panope_backends.api import TensorModel
from panope_backends.tasks.task import DeviceJob, Job, Prepare
from panope_backends.tasks.tensors.arrays import read_inputs, read_output_names, tensor_output

Arrays = Mapping[str, NDArray[Any]]

Check = Callable[[Arrays, TensorModel, Sequence[str]], None]
"""Refuses arrays that take more than a run may, given the model and the outputs that are wanted."""


class TensorJob(DeviceJob):
    """One run of the model."""

    def __init__(self, model: TensorModel, arrays: Arrays, outputs: Sequence[str]) -> None:
        self._model = model
        self._arrays = arrays
        self._outputs = outputs

    def step(self) -> tuple[bytes, bool]:
        """All outputs, at once."""
        outputs = self._model.run(self._arrays, self._outputs)
        return tensor_output(outputs, self._outputs).SerializeToString(), True


def tensor_requests(model: TensorModel, check: Check) -> Mapping[str, Prepare]:
    """What every model answers.

    Args:
        model: to run.
        check: of what a run may take.
    """

    def prepare(data: bytes) -> Job:
        message = messages.TensorInput.FromString(data)
        arrays = read_inputs(message, model)
        outputs = read_output_names(message, model.outputs)
        check(arrays, model, outputs)
        return TensorJob(model, arrays, outputs)

    return {"tensors": prepare}
