"""What an ONNX file says of its weights: the graph's initialisers, read from the wire form without the data.

Protobuf's own parser would read gigabytes of weights to tell their types.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from panope_registry.documents import broken
from panope_registry.headers.facts import WeightFacts
from panope_registry.headers.opened import Header, Indexed, OutOfReachError, indexed, size_of
from panope_registry.names import safe_relative_path

MAX_FIELDS = 1 << 21
MAX_RANK = 32

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# Field numbers of onnx.proto.
_MODEL_GRAPH = 7
_GRAPH_INITIALIZER = 5
_TENSOR_DIMS, _TENSOR_DATA_TYPE, _TENSOR_EXTERNAL = 1, 2, 13
_ENTRY_KEY, _ENTRY_VALUE = 1, 2

DATA_TYPES = {
    1: "fp32", 2: "int8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string", 9: "bool",
    10: "fp16", 11: "fp64", 12: "uint32", 13: "uint64", 16: "bf16", 17: "fp8", 18: "fp8", 19: "fp8", 20: "fp8",
    21: "int4", 22: "int4", 23: "fp4",
}  # fmt: skip

Field = tuple[int, int, int, int]
"""Field number, wire type, and a number or the first byte and the byte after the last."""


def read_onnx(file: Header, path: str) -> tuple[WeightFacts, frozenset[str]]:
    """The facts, and the paths of files that hold tensors outside of this one, relative to it.

    Of a file elsewhere, with weights between its tensors' descriptions, the facts are those of the first tensors.

    Raises:
        InvalidInputError: it is truncated or no ONNX file; the message names `path`.
    """
    if size_of(file) == 0:
        raise broken(path, "it is empty")
    with indexed(file) as data:
        walker = _Walker(data, path)
        elements: Counter[str] = Counter()
        outside: set[str] = set()
        is_partial = False
        try:
            _read_graph(walker, elements, outside, path)
        except OutOfReachError:
            is_partial = True
    facts = WeightFacts(dict(elements), is_partial=is_partial)
    return facts, frozenset(safe_relative_path(name) for name in outside)


def _read_graph(walker: _Walker, elements: Counter[str], outside: set[str], path: str) -> None:
    graphs = [field for field in walker.top_level() if field[0] == _MODEL_GRAPH and field[1] == _BYTES]
    if len(graphs) != 1:
        raise broken(path, "it is not an ONNX model")
    for number, wire, begin, end in walker.fields(*graphs[0][2:]):
        if number == _GRAPH_INITIALIZER and wire == _BYTES:
            precision, count = walker.tensor(begin, end, outside)
            elements[precision] += count


class _Walker:
    def __init__(self, data: Indexed, path: str) -> None:
        self._data = data
        self._path = path
        self._budget = MAX_FIELDS

    def top_level(self) -> Iterator[Field]:
        """The fields of the model itself."""
        return self.fields(0, len(self._data))

    def fields(self, position: int, stop: int) -> Iterator[Field]:
        """The fields of the message in these bytes."""
        while position < stop:
            self._budget -= 1
            if self._budget < 0:
                raise broken(self._path, f"it has more than {MAX_FIELDS} fields")
            key, position = self._varint(position, stop)
            wire = key & 7
            if wire == _VARINT:
                value, position = self._varint(position, stop)
                yield key >> 3, wire, value, 0
                continue
            length, position = self._length(wire, position, stop)
            if position + length > stop:
                raise broken(self._path, "it is truncated or not an ONNX model")
            yield key >> 3, wire, position, position + length
            position += length

    def tensor(self, begin: int, end: int, outside: set[str]) -> tuple[str, int]:
        """Precision and number of elements."""
        shape: list[int] = []
        kind = 0
        for number, wire, first, last in self.fields(begin, end):
            if number == _TENSOR_DIMS:
                shape += [first] if wire == _VARINT else self._packed(first, last)
            elif number == _TENSOR_DATA_TYPE and wire == _VARINT:
                kind = first
            elif number == _TENSOR_EXTERNAL and wire == _BYTES:
                outside |= self._location(first, last)
        if len(shape) > MAX_RANK:
            raise broken(self._path, f"a tensor has {len(shape)} dimensions")
        return DATA_TYPES.get(kind, f"onnx-{kind}"), math.prod(shape)

    def _location(self, begin: int, end: int) -> set[str]:
        """The `location` of external data; other entries are none."""
        texts = {
            number: self._data.part(first, min(last, first + 2048)).decode(errors="replace")
            for number, wire, first, last in self.fields(begin, end)
            if wire == _BYTES
        }
        return {texts.get(_ENTRY_VALUE, "")} if texts.get(_ENTRY_KEY) == "location" else set()

    def _packed(self, position: int, stop: int) -> list[int]:
        values: list[int] = []
        while position < stop and len(values) <= MAX_RANK:
            value, position = self._varint(position, stop)
            values.append(value)
        return values

    def _length(self, wire: int, position: int, stop: int) -> tuple[int, int]:
        if wire == _BYTES:
            return self._varint(position, stop)
        if wire in (_FIXED64, _FIXED32):
            return (8 if wire == _FIXED64 else 4), position
        raise broken(self._path, "it is not an ONNX model")

    def _varint(self, position: int, stop: int) -> tuple[int, int]:
        value = shift = 0
        while position < stop and shift < 64:
            byte = self._data.at(position)
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, position
            shift += 7
        raise broken(self._path, "it is truncated or not an ONNX model")
