"""Tensors in JSON bodies: KServe's names for types, numbers and texts as flat or nested lists, or base64 of bytes."""

from __future__ import annotations

import base64
import math
from typing import Annotated, Any, Literal

import numpy as np
from msgspec import Meta, Struct

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.wire.text_elements import DTYPE as TEXTS
from panope_backends.wire.text_elements import decode_elements, encode_elements
from panope_server.tasks.tensors import NamedTensor

Datatype = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES"
]

_DTYPES: dict[Datatype, str] = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    "BYTES": TEXTS,
}
DATATYPES = {dtype: datatype for datatype, dtype in _DTYPES.items()}
"""The names of element types, by NumPy's."""

#: What JSON values a kind of NumPy type takes, and how to say so.
_TAKES: dict[str, tuple[frozenset[type], str]] = {
    "b": (frozenset({bool}), "true or false"),
    "i": (frozenset({int}), "integers"),
    "u": (frozenset({int}), "integers"),
    "f": (frozenset({int, float}), "numbers"),
}


class TensorBody(Struct, forbid_unknown_fields=True):
    """An input.

    Attributes:
        shape: the length of each axis, outermost first.
        data: the elements, row-major: one flat list, or lists nested as `shape` says. Excludes `raw`.
        raw: base64 of the little-endian, row-major elements; of BYTES each with its length before it, an unsigned
            32-bit integer. Excludes `data`.
    """

    name: Annotated[str, Meta(min_length=1)]
    datatype: Datatype
    shape: Annotated[list[Annotated[int, Meta(ge=0, le=1 << 40)]], Meta(max_length=8)]
    data: list[Any] | None = None
    raw: bytes | None = None


class OutputBody(Struct, forbid_unknown_fields=True):
    """A wanted output; `raw` asks for base64 of its bytes instead of numbers."""

    name: Annotated[str, Meta(min_length=1)]
    raw: bool = False


def named_tensor(body: TensorBody, field: str) -> NamedTensor:
    """The pipeline's form; `field` is where the body stands, such as `inputs[0]`."""
    if (body.data is None) == (body.raw is None):
        raise InvalidInputError(f"`{field}` needs one of `data` and `raw`", field=field)
    dtype = _DTYPES[body.datatype]
    data = body.raw if body.raw is not None else _bytes_of(body, dtype, f"{field}.data")
    return NamedTensor(body.name, dtype, tuple(body.shape), data)


def tensor_json(tensor: NamedTensor, *, raw: bool) -> dict[str, object]:
    """An output; its `data` is one flat list."""
    told: dict[str, object] = {
        "name": tensor.name,
        "datatype": DATATYPES[tensor.dtype],
        "shape": list(tensor.shape),
    }
    if raw:
        return {**told, "raw": base64.b64encode(tensor.data).decode()}
    if tensor.dtype == TEXTS:
        return {**told, "data": _texts_of(tensor)}
    values = np.frombuffer(tensor.data, np.dtype(tensor.dtype).newbyteorder("<"))
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise PreconditionError(
            f"output `{tensor.name}` holds NaN or Infinity, which JSON has no numbers for; "
            f'ask for its bytes by `"outputs": [{{"name": "{tensor.name}", "raw": true}}]`',
            field="outputs",
        )
    return {**told, "data": values}


def _texts_of(tensor: NamedTensor) -> list[str]:
    try:
        return [text.decode() for text in decode_elements(tensor.data, math.prod(tensor.shape))]
    except UnicodeDecodeError:
        raise PreconditionError(
            f"output `{tensor.name}` holds bytes that are no UTF-8, which JSON has no texts for; "
            f'ask for them by `"outputs": [{{"name": "{tensor.name}", "raw": true}}]`',
            field="outputs",
        ) from None


def _bytes_of(body: TensorBody, dtype: str, field: str) -> bytes:
    assert body.data is not None
    if dtype == TEXTS:
        texts = _flat(body.data, body.shape, field)
        if not all(isinstance(text, str) for text in texts):
            raise InvalidInputError(f"`{field}` must hold texts alone for {body.datatype}", field=field)
        return encode_elements(text.encode() for text in texts)
    wanted = np.dtype(dtype).newbyteorder("<")
    elements = _flat(body.data, body.shape, field)
    kinds, words = _TAKES[wanted.kind]
    if not {type(element) for element in elements} <= kinds:
        raise InvalidInputError(f"`{field}` must hold {words} alone for {body.datatype}", field=field)
    out_of_range = InvalidInputError(f"`{field}` has a value that {body.datatype} cannot hold", field=field)
    try:
        # An overflow to infinity is found below; NumPy need not warn of it.
        with np.errstate(over="ignore"):
            array = np.array(elements, wanted)
    except OverflowError:
        raise out_of_range from None
    if wanted.kind == "f" and not np.isfinite(array).all():
        raise out_of_range
    return array.tobytes()


def _flat(data: list[Any], shape: list[int], field: str) -> list[Any]:
    """The elements of a flat list, or of lists nested exactly as the shape says."""
    elements = data
    if any(isinstance(item, list) for item in data):
        elements = [data]
        for axis, length in enumerate(shape):
            if not all(isinstance(part, list) and len(part) == length for part in elements):
                raise InvalidInputError(
                    f"`{field}` is not nested as `shape` says: axis {axis} must have lists of {length}", field=field
                )
            elements = [item for part in elements for item in part]
    count = 1
    for length in shape:
        count *= length
    if len(elements) != count:
        raise InvalidInputError(f"`{field}` has {len(elements):,} elements; shape {shape} has {count:,}", field=field)
    return elements
