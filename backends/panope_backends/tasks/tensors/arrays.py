"""Named tensors of a request: checked against what the model takes, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope.worker.v1 import tensors_pb2 as messages
from panope_backends.api import TensorModel, TensorSpec
from panope_backends.errors import Field, InternalError, InvalidInputError
from panope_backends.tasks.tensors.axes import check_axes
from panope_backends.tasks.tensors.values import check_values
from panope_backends.wire.text_elements import DTYPE as TEXTS
from panope_backends.wire.text_elements import ElementsError, decode_elements, encode_elements

DTYPES = frozenset(
    {"bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"}
    | {"float16", "float32", "float64", TEXTS}
)


def read_inputs(message: messages.TensorInput, model: TensorModel) -> dict[str, NDArray[Any]]:
    """The arrays of a request, views of its bytes.

    Raises:
        InvalidInputError: a tensor is missing, unknown, given twice, not of the model's type and shape, or
            its shape does not fit another's, or its values are outside the model's tables.
    """
    known = {spec.name: spec for spec in model.inputs}
    arrays: dict[str, NDArray[Any]] = {}
    for tensor in message.inputs:
        field = f"inputs[{tensor.name}]"
        if tensor.name not in known:
            raise InvalidInputError(f"the model has no input `{tensor.name}`; it has {_names(known)}", field=field)
        if tensor.name in arrays:
            raise InvalidInputError.at(field, "{field} is given twice")
        arrays[tensor.name] = _array(tensor, known[tensor.name], field)
    for name, spec in known.items():
        if name not in arrays and not spec.is_optional:
            missing, takes = Field(f"inputs[{name}]"), _names(known)
            raise InvalidInputError.at(
                "inputs", "{missing} is missing; the model takes {takes}", missing=missing, takes=takes
            )
    check_axes(arrays, [spec for spec in model.inputs if spec.name in arrays])
    check_values(arrays, model)
    return arrays


def read_output_names(message: messages.TensorInput, specs: Sequence[TensorSpec]) -> list[str]:
    """The outputs asked for, each of them if none is named.

    Raises:
        InvalidInputError: a name is unknown or given twice.
    """
    known = {spec.name: spec for spec in specs}
    for index, name in enumerate(message.output_names):
        field = f"output_names[{index}]"
        if name not in known:
            raise InvalidInputError(f"the model has no output `{name}`; it has {_names(known)}", field=field)
        if name in message.output_names[:index]:
            raise InvalidInputError.at(field, "{names} has `{name}` twice", names=Field("output_names"), name=name)
    return list(message.output_names) or list(known)


def tensor_output(outputs: Mapping[str, NDArray[Any]], names: Sequence[str]) -> messages.TensorOutput:
    """The outputs in the order of `names`.

    Raises:
        InternalError: the backend gave an element type that has no name in the protocol, or left an output out.
    """
    message = messages.TensorOutput()
    for name in names:
        array = outputs.get(name)
        if array is None or array.dtype.name not in DTYPES:
            raise InternalError(f"the backend gave no usable output `{name}`")
        if array.dtype.name == TEXTS:
            data = encode_elements(array.ravel().tolist())
            message.outputs.add(name=name, dtype=TEXTS, shape=array.shape, data=data)
            continue
        little_endian = array.astype(array.dtype.newbyteorder("<"), copy=False)
        message.outputs.add(name=name, dtype=array.dtype.name, shape=array.shape, data=little_endian.tobytes())
    return message


def _told(dtype: str) -> str:
    """A type by our name: NumPy has none for texts."""
    return "bytes" if dtype == TEXTS else dtype


def _array(tensor: messages.Tensor, spec: TensorSpec, field: str) -> NDArray[Any]:
    if tensor.dtype != spec.dtype or tensor.dtype not in DTYPES:
        raise InvalidInputError.at(
            field,
            "{field} has the type {type}; the model takes {wanted}",
            type=_told(tensor.dtype),
            wanted=_told(spec.dtype),
        )
    shape = tuple(tensor.shape)
    if not _fits(shape, spec.shape):
        raise InvalidInputError.at(
            field, "{field} has the shape {shape}; the model takes {wanted}", shape=list(shape), wanted=list(spec.shape)
        )
    if tensor.dtype == TEXTS:
        return _texts(tensor, shape, field)
    dtype = np.dtype(tensor.dtype).newbyteorder("<")
    expected = math.prod(shape) * dtype.itemsize
    if len(tensor.data) != expected:
        raise InvalidInputError.at(
            field,
            "{field} has {count:,} bytes; {type} of shape {shape} has {expected:,}",
            count=len(tensor.data),
            type=_told(tensor.dtype),
            shape=list(shape),
            expected=expected,
        )
    return np.frombuffer(tensor.data, dtype).reshape(shape)


def _texts(tensor: messages.Tensor, shape: Sequence[int], field: str) -> NDArray[Any]:
    texts = np.empty(math.prod(shape), object)
    try:
        texts[:] = decode_elements(tensor.data, len(texts))
    except ElementsError as error:
        raise InvalidInputError.at(field, "{field} holds no texts of its shape: {why}", why=error) from None
    return texts.reshape(shape)


def _fits(shape: Sequence[int], wanted: Sequence[int]) -> bool:
    """An axis without elements fits nothing: engines disagree on what it means."""
    return len(shape) == len(wanted) and all(
        length > 0 and want in (-1, length) for length, want in zip(shape, wanted, strict=True)
    )


def _names(known: Mapping[str, TensorSpec]) -> str:
    return ", ".join(f"`{name}`" for name in known)
