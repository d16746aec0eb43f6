"""NumPy arrays as Panope's tensors and back."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope.v1 import tensor_pb2 as pb
from panope_client.arguments import check_names
from panope_client.errors import InvalidArgumentError, InvalidResponseError

Array = NDArray[Any]  # any element type that `DTYPES` names

#: Little-endian whatever this machine is: the order of bytes on the wire.
DTYPES: Mapping[pb.DataType.ValueType, np.dtype[Any]] = {
    pb.DATA_TYPE_BOOL: np.dtype("?"),
    pb.DATA_TYPE_UINT8: np.dtype("u1"),
    pb.DATA_TYPE_UINT16: np.dtype("<u2"),
    pb.DATA_TYPE_UINT32: np.dtype("<u4"),
    pb.DATA_TYPE_UINT64: np.dtype("<u8"),
    pb.DATA_TYPE_INT8: np.dtype("i1"),
    pb.DATA_TYPE_INT16: np.dtype("<i2"),
    pb.DATA_TYPE_INT32: np.dtype("<i4"),
    pb.DATA_TYPE_INT64: np.dtype("<i8"),
    pb.DATA_TYPE_FP16: np.dtype("<f2"),
    pb.DATA_TYPE_FP32: np.dtype("<f4"),
    pb.DATA_TYPE_FP64: np.dtype("<f8"),
}
_LENGTH = struct.Struct("<I")
_DATA_TYPES = {dtype: data_type for data_type, dtype in DTYPES.items()}


def tensor_of(name: str, array: Array) -> pb.Tensor:
    """Makes the tensor of an array, whatever its byte order and memory layout; of texts in UTF-8, or bytes as they are.

    Raises:
        InvalidArgumentError: the array's element type has no counterpart, such as dates.
    """
    if array.dtype.kind in "OSU":
        return pb.Tensor(name=name, data_type=pb.DATA_TYPE_BYTES, shape=array.shape, data=_texts(name, array))
    dtype = array.dtype.newbyteorder("<")
    data_type = _DATA_TYPES.get(dtype)
    if data_type is None:
        known = ", ".join(str(dtype) for dtype in _DATA_TYPES)
        message = f"input `{name}` has element type {array.dtype}, which Panope does not know: {known}"
        raise InvalidArgumentError(message, field=f"inputs[{name}]")
    return pb.Tensor(name=name, data_type=data_type, shape=array.shape, data=array.astype(dtype, copy=False).tobytes())


def array_of(tensor: pb.Tensor) -> Array:
    """Makes the array of a tensor: a read-only view of the tensor's bytes, or for texts an array of `bytes` objects.

    Raises:
        InvalidResponseError: the tensor's bytes do not fit its shape, or its element type is unknown.
    """
    if tensor.data_type == pb.DATA_TYPE_BYTES:
        return _texts_of(tensor)
    dtype = DTYPES.get(tensor.data_type)
    if dtype is None:
        raise InvalidResponseError(f"output `{tensor.name}` has a data type that this client does not know")
    data = tensor.data
    if min(tensor.shape, default=0) < 0 or len(data) != math.prod(tensor.shape) * dtype.itemsize:
        shape = list(tensor.shape)
        raise InvalidResponseError(f"output `{tensor.name}` has {len(data)} bytes, which do not fit {dtype} {shape}")
    return np.frombuffer(data, dtype).reshape(tuple(tensor.shape))


def dtype_of(data_type: pb.DataType.ValueType) -> np.dtype[Any]:
    """The element type of arrays that a tensor of this type is made of.

    Raises:
        InvalidResponseError: it is unknown to this client.
    """
    dtype = np.dtype(object) if data_type == pb.DATA_TYPE_BYTES else DTYPES.get(data_type)
    if dtype is None:
        raise InvalidResponseError("the model has a tensor of a data type that this client does not know")
    return dtype


def tensors_of(arrays: Mapping[str, Array]) -> list[pb.Tensor]:
    """Makes the tensors of named arrays.

    Raises:
        InvalidArgumentError: they are not arrays by name, or an element type has no counterpart.
    """
    check_names("inputs", arrays)
    return [tensor_of(name, _as_array(name, array)) for name, array in arrays.items()]


def arrays_of(tensors: Iterable[pb.Tensor]) -> dict[str, Array]:
    """Makes the arrays of tensors by their names, in the order of the tensors."""
    return {tensor.name: array_of(tensor) for tensor in tensors}


def _texts(name: str, array: Array) -> bytes:
    """Texts, each with its length in four bytes before it."""
    elements = []
    for element in array.ravel().tolist():
        if not isinstance(element, str | bytes):
            message = f"input `{name}` has a {type(element).__name__} among its elements; give text or bytes alone"
            raise InvalidArgumentError(message, field=f"inputs[{name}]")
        try:
            data = element.encode() if isinstance(element, str) else element
        except UnicodeEncodeError:
            message = f"input `{name}` has a text that UTF-8 cannot encode"
            raise InvalidArgumentError(message, field=f"inputs[{name}]") from None
        elements.append(_LENGTH.pack(len(data)) + data)
    return b"".join(elements)


def _texts_of(tensor: pb.Tensor) -> Array:
    data, begin = tensor.data, 0
    texts = []
    while begin + _LENGTH.size <= len(data):
        end = begin + _LENGTH.size + _LENGTH.unpack_from(data, begin)[0]
        texts.append(data[begin + _LENGTH.size : end])
        begin = end
    if min(tensor.shape, default=0) < 0 or begin != len(data) or len(texts) != math.prod(tensor.shape):
        raise InvalidResponseError(f"output `{tensor.name}` has {len(data)} bytes, which are no texts of its shape")
    array = np.empty(len(texts), object)
    array[:] = texts
    return array.reshape(tuple(tensor.shape))


def _as_array(name: str, values: Array) -> Array:
    try:
        return np.asarray(values)
    except ValueError as error:  # lists of different lengths
        raise InvalidArgumentError(f"input `{name}` is not an array: {error}", field=f"inputs[{name}]") from error
