"""Files in the formats of weights, written by hand: small, exact, and wrong where a test wants them to be."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence

#: The safetensors names of element types -> bytes of an element.
ELEMENT_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I8": 1, "U8": 1, "BOOL": 1}

GGUF_VERSION = 3
_UINT32, _STRING, _FP32 = 4, 8, 0
_ALIGNMENT = 32


def safetensors_bytes(tensors: Mapping[str, tuple[str, Sequence[int]]], *, fill: int = 0) -> bytes:
    """Returns a safetensors file.

    Args:
        tensors: name -> type and shape.
        fill: the byte that the weights are made of.
    """
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    position = 0
    for name, (dtype, shape) in tensors.items():
        end = position + math.prod(shape) * ELEMENT_BYTES[dtype]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [position, end]}
        position = end
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + bytes([fill]) * position


def gguf_bytes(
    architecture: str,
    tensors: Mapping[str, Sequence[int]],
    *,
    keys: Mapping[str, int | str] | None = None,
    counts: tuple[int, int] | None = None,
) -> bytes:
    """Returns a GGUF file of fp32 tensors, all zero.

    Args:
        architecture: as `general.architecture` names it.
        tensors: name -> shape.
        keys: more of the header.
        counts: of tensors and keys, as the header claims them; None tells the truth.
    """
    described = {"general.architecture": architecture} | dict(keys or {})
    claimed = counts or (len(tensors), len(described))
    parts = [b"GGUF", struct.pack("<IQQ", GGUF_VERSION, *claimed)]
    parts += [_text(name) + _value(value) for name, value in described.items()]
    offset = 0
    for name, shape in tensors.items():
        parts.append(_text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, _FP32, offset))
        offset += math.ceil(math.prod(shape) * 4 / _ALIGNMENT) * _ALIGNMENT
    header = b"".join(parts)
    return header + bytes(-len(header) % _ALIGNMENT + offset)


def _value(value: int | str) -> bytes:
    if isinstance(value, int):
        return struct.pack("<II", _UINT32, value)
    return struct.pack("<I", _STRING) + _text(value)


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw
