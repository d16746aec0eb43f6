"""Task `tensors`: named tensors through the model as it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from panope.worker.v1 import tensors_pb2 as messages
from panope_backends.api import TensorSpec
from panope_backends.errors import InvalidInputError
from panope_backends.wire.text_elements import DTYPE as TEXTS
from panope_backends.wire.text_elements import LENGTH_BYTES
from panope_server.config import Limits
from panope_server.tasks import agreement
from panope_server.tasks.task import Canonical, Input, MeasuredModel, Output, Task, Usage, Workload
from panope_server.tasks.validation import check_length
from panope_server.tasks.workload import SingleWorkload

MAX_AXES = 8
MAX_AXIS = 1 << 40
MAX_TENSORS = 64

#: Bytes of one element, by NumPy's name.
ITEM_BYTES = {
    "bool": 1,
    "uint8": 1,
    "uint16": 2,
    "uint32": 4,
    "uint64": 8,
    "int8": 1,
    "int16": 2,
    "int32": 4,
    "int64": 8,
    "float16": 2,
    "float32": 4,
    "float64": 8,
}


@dataclass(slots=True)
class NamedTensor:
    """A dense, row-major, little-endian array; `dtype` is NumPy's name, `object` for texts."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: bytes


@dataclass(slots=True)
class TensorInput(Input):
    """Named tensors to run; `output_names` empty for all."""

    inputs: list[NamedTensor]
    output_names: list[str] = field(default_factory=list)


@dataclass(slots=True)
class TensorOutput(Output):
    """The outputs, in the order asked for."""

    outputs: list[NamedTensor]


#: Where a model takes any length.
_LENGTH = 8
#: Whole numbers are most often ids, of which every vocabulary has so many.
_IDS = 100


def _tensors(number: int, model: MeasuredModel) -> TensorInput:
    """Random numbers in the shapes that the model tells; axes of one name have one length."""
    source = np.random.default_rng(number)
    return TensorInput([_tensor(spec, source) for spec in model.inputs])


def _tensor(spec: TensorSpec, source: np.random.Generator) -> NamedTensor:
    shape = tuple(_LENGTH if length < 0 else length for length in spec.shape)
    shape = (1, *shape[1:]) if spec.shape and spec.shape[0] < 0 else shape
    dtype = np.dtype(spec.dtype)
    values = (
        source.standard_normal(shape)
        if dtype.kind == "f"
        else source.integers(0, 2 if "mask" in spec.name else _IDS, shape)
    )
    return NamedTensor(spec.name, spec.dtype, shape, values.astype(dtype).tobytes())


def _alike(expected: NamedTensor, found: NamedTensor) -> float:
    if (expected.name, expected.shape) != (found.name, found.shape):
        return 0.0
    return agreement.of_numbers(*(np.frombuffer(each.data, each.dtype) for each in (expected, found)))


class TensorTask(Task[TensorInput, TensorOutput]):
    """Named tensors in, named tensors out; a call costs one item.

    A graph may draw random numbers, or keep a state from call to call, which nobody can tell from its files.
    """

    name = "tensors"
    input_unit = output_unit = "bytes"
    input_type = TensorInput
    output_type = TensorOutput
    is_pure = False
    workloads: ClassVar[Sequence[Workload]] = (SingleWorkload("tensors-one-call", _tensors),)

    def encode(self, task_input: TensorInput) -> bytes:
        """The tensors and the names of outputs."""
        message = messages.TensorInput(
            inputs=[messages.Tensor(name=t.name, dtype=t.dtype, shape=t.shape, data=t.data) for t in task_input.inputs],
            output_names=task_input.output_names,
        )
        return message.SerializeToString()

    def decode(self, data: bytes) -> TensorOutput:
        """The outputs."""
        message = messages.TensorOutput.FromString(data)
        return TensorOutput([NamedTensor(t.name, t.dtype, tuple(t.shape), t.data) for t in message.outputs])

    def cost(self, task_input: TensorInput, data: bytes) -> tuple[int, int]:
        """One item, and the bytes of the tensors."""
        del data
        return 1, _size(task_input.inputs)

    def canonical(self, task_input: TensorInput, facts: object) -> Canonical:
        """The tensors and the names of outputs, in their order."""
        del facts
        return Canonical((), [task_input], _size(task_input.inputs))

    def agreement(self, expected: TensorOutput, found: TensorOutput) -> float:
        """How near the numbers of all outputs are."""
        return agreement.of_each(_alike, expected.outputs, found.outputs)

    def validate(self, task_input: TensorInput, limits: Limits) -> None:
        """Checks names, and whether each tensor's type, shape and bytes fit each other."""
        del limits
        if not task_input.inputs:
            raise InvalidInputError.at("inputs", "{field} is empty; give at least one tensor")
        for field_name, names in (
            ("inputs", [tensor.name for tensor in task_input.inputs]),
            ("output_names", task_input.output_names),
        ):
            if len(names) > MAX_TENSORS:
                raise InvalidInputError.at(
                    field_name, "{field} has {count:,} items; the limit is {limit}", count=len(names), limit=MAX_TENSORS
                )
            for index, name in enumerate(names):
                check_length(name, f"{field_name}[{index}]" + (".name" if field_name == "inputs" else ""))
            if len(set(names)) < len(names):
                raise InvalidInputError.at(field_name, "{field} names a tensor twice")
        for index, tensor in enumerate(task_input.inputs):
            check_tensor(tensor, f"inputs[{index}]")

    def input_units(self, task_input: TensorInput) -> int:
        """Bytes."""
        return _size(task_input.inputs)

    def usage(self, output: TensorOutput) -> Usage:
        """Bytes."""
        return Usage(0, _size(output.outputs))


def check_tensor(tensor: NamedTensor, field: str) -> None:
    """Refuses a tensor whose type, shape and bytes do not fit each other."""
    if not tensor.name:
        raise InvalidInputError.at(f"{field}.name", "{field} is empty")
    if tensor.dtype != TEXTS and tensor.dtype not in ITEM_BYTES:
        raise InvalidInputError.at(f"{field}.data_type", "{field} is missing or unknown")
    if len(tensor.shape) > MAX_AXES:
        raise InvalidInputError.at(
            f"{field}.shape", "{field} has {count} axes; the limit is {limit}", count=len(tensor.shape), limit=MAX_AXES
        )
    if any(not 0 <= length <= MAX_AXIS for length in tensor.shape):
        raise InvalidInputError.at(f"{field}.shape", "{field} has an axis outside 0 to {limit:,}", limit=MAX_AXIS)
    if tensor.dtype == TEXTS:
        _check_texts(tensor, f"{field}.data")
        return
    expected = math.prod(tensor.shape) * ITEM_BYTES[tensor.dtype]
    if expected != len(tensor.data):
        raise InvalidInputError.at(
            f"{field}.data",
            "{field} has {count:,} bytes; {type} of shape {shape} has {expected:,}",
            count=len(tensor.data),
            type=tensor.dtype,
            shape=list(tensor.shape),
            expected=expected,
        )


def _check_texts(tensor: NamedTensor, field: str) -> None:
    """Looks at no text, of which there may be millions: the worker does."""
    count, least = math.prod(tensor.shape), math.prod(tensor.shape) * LENGTH_BYTES
    if least > len(tensor.data) or (tensor.data and not count):
        raise InvalidInputError.at(
            field,
            "{field} has {size:,} bytes; {count:,} texts, each with its length in {each} bytes before it, have {limit}",
            size=len(tensor.data),
            count=count,
            each=LENGTH_BYTES,
            limit=f"at least {least:,}" if count else "none",
        )


def _size(tensors: list[NamedTensor]) -> int:
    return sum(len(tensor.data) for tensor in tensors)
