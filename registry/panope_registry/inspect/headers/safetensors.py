"""The safetensors header: a length of 8 bytes, then JSON that names every tensor's type, shape and place."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

from panope_registry.inspect.documents import broken
from panope_registry.inspect.file_bytes import Header, forward, size_of
from panope_registry.inspect.headers.facts import WeightFacts

MAX_HEADER_BYTES = 32 << 20
MAX_RANK = 32

#: The format's names -> ours, and the bits of an element.
DTYPES = {
    "F64": ("fp64", 64),
    "F32": ("fp32", 32),
    "F16": ("fp16", 16),
    "BF16": ("bf16", 16),
    "F8_E4M3": ("fp8", 8),
    "F8_E5M2": ("fp8", 8),
    "F8_E8M0": ("fp8", 8),
    "F4": ("fp4", 4),
    "I8": ("int8", 8),
    "U8": ("int8", 8),
    "C64": ("complex64", 64),
    "I64": ("int64", 64),
    "I32": ("int32", 32),
    "I16": ("int16", 16),
    "U64": ("uint64", 64),
    "U32": ("uint32", 32),
    "U16": ("uint16", 16),
    "BOOL": ("bool", 8),
}


def read_safetensors(file: Header, path: str) -> WeightFacts:
    """Reads and checks a header; the tensors must fill the file exactly.

    Raises:
        InvalidInputError: the file is truncated or no safetensors file; the message names `path`.
    """
    header, data_bytes = _header(file, path)
    elements: Counter[str] = Counter()
    spans, longest = [], 0
    for name, tensor in header.items():
        precision, count, begin, end = _tensor(name, tensor, path)
        elements[precision] += count
        longest = max([longest, *tensor["shape"]])
        spans.append((begin, end))
    _check_layout(sorted(spans), data_bytes, path)
    return WeightFacts(dict(elements), longest_axis=longest)


def read_shapes(file: Header, path: str) -> dict[str, tuple[int, ...]]:
    """Returns the shape of every tensor by its name; raises as `read_safetensors` does."""
    header, _ = _header(file, path)
    shapes = {}
    for name, tensor in header.items():
        _tensor(name, tensor, path)
        shapes[name] = tuple(tensor["shape"])
    return shapes


def _header(file: Header, path: str) -> tuple[dict[str, Any], int]:
    """The description of every tensor by its name, and the bytes after the header."""
    size = size_of(file)
    with forward(file) as stream:
        prefix = stream.read(8)
        length = int.from_bytes(prefix, "little")
        if len(prefix) < 8 or length < 2:
            raise broken(path, "it is too short for a safetensors file")
        if length > MAX_HEADER_BYTES:
            raise broken(path, f"it claims a header of {length} bytes; the limit is {MAX_HEADER_BYTES}")
        if 8 + length > size:
            raise broken(path, f"it claims a header of {length} bytes and has {size} bytes in all")
        header = _parse(stream.read(length), path)
    header.pop("__metadata__", None)
    return header, size - 8 - length


def _parse(raw: bytes, path: str) -> dict[str, Any]:
    try:
        header = json.loads(raw)
    except (ValueError, RecursionError):
        raise broken(path, "its safetensors header is not valid JSON") from None
    if not isinstance(header, dict):
        raise broken(path, "its safetensors header is not a JSON object")
    return header


def _tensor(name: str, tensor: object, path: str) -> tuple[str, int, int, int]:
    """Precision, number of elements, first byte and the byte after the last."""
    problem = broken(path, f"its safetensors header describes tensor `{name[:80]!a}` wrongly")
    dtype = tensor.get("dtype") if isinstance(tensor, dict) else None
    if not isinstance(tensor, dict) or not isinstance(dtype, str) or dtype not in DTYPES:
        raise problem
    shape, offsets = _naturals(tensor.get("shape")), _naturals(tensor.get("data_offsets"))
    if shape is None or offsets is None or len(shape) > MAX_RANK or len(offsets) != 2:
        raise problem
    precision, bits = DTYPES[dtype]
    count = math.prod(shape)
    begin, end = offsets
    if end - begin != (count * bits + 7) // 8:
        raise problem
    return precision, count, begin, end


def _naturals(value: object) -> list[int] | None:
    if isinstance(value, list) and all(type(item) is int and 0 <= item < 1 << 63 for item in value):
        return value
    return None


def _check_layout(spans: list[tuple[int, int]], data_bytes: int, path: str) -> None:
    position = 0
    for begin, end in spans:
        if begin != position:
            raise broken(path, "its tensors overlap or leave holes")
        position = end
    if position != data_bytes:
        raise broken(path, f"its tensors need {position} bytes and it holds {data_bytes}: it is truncated or padded")
