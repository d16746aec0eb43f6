"""The GGUF header: typed keys, then the tensors' types and shapes."""

from __future__ import annotations

import math
import struct
from collections import Counter

from panope_registry.inspect.documents import broken
from panope_registry.inspect.file_bytes import Forward, Header, forward
from panope_registry.inspect.headers.facts import WeightFacts

MAX_HEADER_BYTES = 64 << 20  # vocabularies are in the header
MAX_KEYS = 1 << 16
MAX_TENSORS = 1 << 20
MAX_RANK = 8
MAX_DEPTH = 4
MAX_VALUES = 1 << 22
"""Texts and lists in lists; a vocabulary of a million tokens with its merges has half of that."""

#: Scalar type -> struct code; 8 is a string, 9 an array.
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9

#: ggml's tensor types, by their numbers.
TENSOR_TYPES = {
    0: "fp32", 1: "fp16", 2: "q4_0", 3: "q4_1", 6: "q5_0", 7: "q5_1", 8: "q8_0", 9: "q8_1", 10: "q2_k", 11: "q3_k",
    12: "q4_k", 13: "q5_k", 14: "q6_k", 15: "q8_k", 16: "iq2_xxs", 17: "iq2_xs", 18: "iq3_xxs", 19: "iq1_s",
    20: "iq4_nl", 21: "iq3_s", 22: "iq2_s", 23: "iq4_xs", 24: "int8", 25: "int16", 26: "int32", 27: "int64",
    28: "fp64", 29: "iq1_m", 30: "bf16", 34: "tq1_0", 35: "tq2_0", 39: "mxfp4",
}  # fmt: skip

#: `general.file_type`, for the mixtures that one tensor type does not name.
FILE_TYPES = {
    10: "q2_k", 11: "q3_k_s", 12: "q3_k_m", 13: "q3_k_l", 14: "q4_k_s", 15: "q4_k_m", 16: "q5_k_s", 17: "q5_k_m",
    18: "q6_k",
}  # fmt: skip


ADAPTER_KEYS = "adapter."
"""How the keys of an adapter begin; a file whose `TYPE_KEY` is `adapter` has them, and no model."""

TYPE_KEY = "general.type"

_KEPT = frozenset({"general.architecture", "general.file_type", TYPE_KEY})


def read_gguf(file: Header, path: str) -> WeightFacts:
    """Reads a header.

    Raises:
        InvalidInputError: it is truncated, of an unknown version or no GGUF file; the message names `path`.
    """
    with forward(file) as stream:
        reader = _Reader(stream, path)
        if reader.take(4) != b"GGUF":
            raise broken(path, "it is not a GGUF file")
        version = reader.number("<I")
        if version not in (2, 3):
            raise broken(path, f"it is of GGUF version {version}; 2 and 3 are known")
        tensor_count = reader.count("<Q", MAX_TENSORS, "tensors")
        key_count = reader.count("<Q", MAX_KEYS, "keys")
        keys = dict(_key(reader) for _ in range(key_count))
        elements: Counter[str] = Counter()
        for _ in range(tensor_count):
            precision, count = _tensor(reader)
            elements[precision] += count
    metadata = {key: value for key, value in keys.items() if key in _KEPT or key.startswith(ADAPTER_KEYS)}
    pooling = keys.get(f"{keys.get('general.architecture', '')}.pooling_type")
    if pooling is not None:
        metadata["pooling_type"] = pooling
    if "tokenizer.chat_template" in keys:
        metadata["tokenizer.chat_template"] = "present"
    return WeightFacts(dict(elements), keys.get("general.architecture", ""), metadata)


def _key(reader: _Reader) -> tuple[str, str]:
    name = reader.string()
    return name, _value(reader, int(reader.number("<I")), 0)


def _value(reader: _Reader, kind: int, depth: int) -> str:
    """Returns a scalar as text; arrays are passed over."""
    if kind in _SCALARS:
        return str(reader.number(_SCALARS[kind]))
    if kind == _STRING:
        return reader.string()
    if kind != _ARRAY or depth >= MAX_DEPTH:
        raise broken(reader.path, "its GGUF header holds a value of an unknown type")
    item_kind = int(reader.number("<I"))
    length = reader.count("<Q", MAX_HEADER_BYTES, "values")
    if item_kind in _SCALARS:
        reader.take(length * struct.calcsize(_SCALARS[item_kind]))
    else:
        reader.count_values(length)
        for _ in range(length):
            _value(reader, item_kind, depth + 1)
    return ""


def _tensor(reader: _Reader) -> tuple[str, int]:
    reader.string()
    rank = reader.count("<I", MAX_RANK, "dimensions")
    shape = [int(reader.number("<Q")) for _ in range(rank)]
    kind = int(reader.number("<I"))
    reader.number("<Q")  # the offset
    return TENSOR_TYPES.get(kind, f"ggml-{kind}"), math.prod(shape)


class _Reader:
    """Reads forward and never past the limit or the end."""

    def __init__(self, stream: Forward, path: str) -> None:
        self._stream = stream
        self._left = MAX_HEADER_BYTES
        self._values = 0
        self.path = path

    def take(self, size: int) -> bytes:
        if size > self._left:
            raise broken(self.path, f"its header is longer than {MAX_HEADER_BYTES >> 20} MiB")
        self._left -= size
        data = self._stream.read(size)
        if len(data) != size:
            raise broken(self.path, "its header is truncated")
        return data

    def number(self, code: str) -> int | float | bool:
        value: int | float | bool = struct.unpack(code, self.take(struct.calcsize(code)))[0]
        return value

    def count(self, code: str, limit: int, what: str) -> int:
        value = int(self.number(code))
        if value > limit:
            raise broken(self.path, f"its header claims {value} {what}; the limit is {limit}")
        return value

    def count_values(self, count: int) -> None:
        self._values += count
        if self._values > MAX_VALUES:
            raise broken(self.path, f"its header holds more than {MAX_VALUES} texts")

    def string(self) -> str:
        return self.take(self.count("<Q", MAX_HEADER_BYTES, "characters")).decode(errors="replace")
