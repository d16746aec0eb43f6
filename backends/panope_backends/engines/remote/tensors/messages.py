"""Named arrays as KServe's protocol v2 has them over HTTP: as JSON, or with the bytes of arrays behind the JSON.

https://kserve.github.io/website/latest/modelserving/data_plane/v2_protocol/ and Triton's extension for binary tensors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from panope_backends.api import Arrays, TensorSpec
from panope_backends.engines.remote.decoding import decoded
from panope_backends.engines.remote.refusals import no_answer
from panope_backends.errors import PreconditionError

#: The header that tells how long the JSON is, behind which bytes follow.
JSON_LENGTH = "inference-header-content-length"

DTYPES = {
    "BOOL": "bool",
    **{f"UINT{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": f"float{bits}" for bits in (16, 32, 64)},
}
_DATATYPES = {dtype: datatype for datatype, dtype in DTYPES.items()}

_MAX_TENSORS = 256
_MAX_AXES = 16


class _Spec(Struct):
    name: str
    datatype: str
    shape: list[int]


class Metadata(Struct):
    """What a model takes and gives."""

    inputs: list[_Spec]
    outputs: list[_Spec]


class _Parameters(Struct):
    binary_data_size: int | None = None


class _Output(Struct):
    name: str
    datatype: str
    shape: list[int]
    data: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    parameters: _Parameters | None = None


class _Outputs(Struct):
    outputs: list[_Output]


def specs_of(told: Sequence[_Spec]) -> list[TensorSpec]:
    """What a model takes or gives.

    Raises:
        PreconditionError: an element type that is not served, or shapes that are none.
    """
    if len(told) > _MAX_TENSORS or len({spec.name for spec in told}) != len(told):
        raise PreconditionError("the server that runs the model tells tensors that are none")
    for spec in told:
        if spec.datatype not in DTYPES:
            raise PreconditionError(
                f"the tensor `{spec.name[:64]}` of the server that runs the model has the type "
                f"`{spec.datatype[:16]}`, which is not served here"
            )
        if len(spec.shape) > _MAX_AXES or any(length < -1 for length in spec.shape):
            raise PreconditionError("the server that runs the model tells tensors that are none")
    return [TensorSpec(spec.name, DTYPES[spec.datatype], tuple(spec.shape)) for spec in told]


def request_of(arrays: Arrays, outputs: Sequence[str], *, binary: bool) -> tuple[bytes, dict[str, str]]:
    """A body and its headers.

    Args:
        arrays: the inputs.
        outputs: wanted.
        binary: whether the server knows bytes behind the JSON.

    Raises:
        PreconditionError: an array has no form in JSON.
    """
    inputs, tail = [], []
    for name, array in arrays.items():
        tensor: dict[str, Any] = {"name": name, "datatype": _DATATYPES[array.dtype.name], "shape": array.shape}
        if binary:
            data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
            tensor["parameters"] = {"binary_data_size": len(data)}
            tail.append(data)
        else:
            tensor["data"] = _json_data(name, array)
        inputs.append(tensor)
    wanted = [{"name": name} | ({"parameters": {"binary_data": True}} if binary else {}) for name in outputs]
    head = msgspec.json.encode({"inputs": inputs, "outputs": wanted})
    if not binary:
        return head, {}
    return head + b"".join(tail), {"content-type": "application/octet-stream", JSON_LENGTH: str(len(head))}


def outputs_of(
    body: bytes, headers: Mapping[str, str], specs: Mapping[str, TensorSpec], wanted: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """The arrays of an answer.

    Raises:
        AvailabilityError: it is none, or holds others than were asked for.
    """
    told = headers.get(JSON_LENGTH, "")
    length = int(told) if told.isdecimal() and len(told) < 12 else len(body)
    found = decoded(body[:length], _Outputs).outputs
    rest = memoryview(body)[length:]
    arrays: dict[str, NDArray[Any]] = {}
    for output in found:
        spec = specs.get(output.name)
        if spec is None or output.name in arrays or not _fits(output, spec):
            raise no_answer()
        size = output.parameters.binary_data_size if output.parameters is not None else None
        if size is None:
            arrays[output.name] = _from_json(bytes(output.data), spec.dtype, output.shape)
        else:
            if not 0 <= size <= len(rest):
                raise no_answer()
            arrays[output.name] = _from_bytes(rest[:size], spec.dtype, output.shape)
            rest = rest[size:]
    if not set(wanted) <= arrays.keys():
        raise no_answer()
    return {name: arrays[name] for name in wanted}


def _json_data(name: str, array: NDArray[Any]) -> list[Any]:
    """JSON has no halves, no infinities and no NaN."""
    is_float = array.dtype.kind == "f"
    if array.dtype.name == "float16" or (is_float and not np.isfinite(array).all()):
        raise PreconditionError(
            f"the server that runs the model takes JSON alone, in which `{name}` cannot be written: it is float16, or "
            "holds values that are not finite"
        )
    return array.ravel().tolist()


def _fits(output: _Output, spec: TensorSpec) -> bool:
    """Whether type and shape are as the model tells."""
    if DTYPES.get(output.datatype) != spec.dtype or len(output.shape) != len(spec.shape):
        return False
    return all(length >= 0 and known in (-1, length) for length, known in zip(output.shape, spec.shape, strict=True))


def _from_json(data: bytes, dtype: str, shape: Sequence[int]) -> NDArray[Any]:
    try:
        values = msgspec.json.decode(data)
        kinds: Any = {"b": bool, "f": (int, float)}.get(np.dtype(dtype).kind, int)
        flat = values if isinstance(values, list) else []
        while flat and isinstance(flat[0], list):  # nested, as some write them
            flat = [value for row in flat for value in row]
        if not all(isinstance(value, kinds) and isinstance(value, bool) == (kinds is bool) for value in flat):
            raise no_answer()
        with np.errstate(over="ignore"):
            return np.array(flat, dtype=dtype).reshape(shape)
    except (msgspec.DecodeError, RecursionError, ValueError, TypeError, OverflowError) as error:
        raise no_answer() from error


def _from_bytes(data: memoryview, dtype: str, shape: Sequence[int]) -> NDArray[Any]:
    kind = np.dtype(dtype).newbyteorder("<")
    if len(data) != math.prod(shape) * kind.itemsize:
        raise no_answer()
    return np.frombuffer(data, kind).reshape(shape).astype(dtype)
