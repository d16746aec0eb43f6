"""What an ONNX file says of itself: its inputs, outputs, operators and initialisers, read without the weights.

Protobuf's own parser would read gigabytes of weights to tell their types.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from panope_backends.api import TensorSpec
from panope_registry.inspect.documents import broken
from panope_registry.inspect.file_bytes import Header, OutOfReachError, indexed, size_of
from panope_registry.inspect.headers.facts import BUFFERS, GraphFacts, WeightFacts
from panope_registry.inspect.headers.wire import BYTES, VARINT, Field, Walker
from panope_registry.inspect.precisions import bits_of, is_quantized
from panope_registry.names import safe_relative_path

MAX_RANK = 32

# Field numbers of onnx.proto.
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 5, 11, 12
_NODE_INPUT, _NODE_OPERATOR, _NODE_ATTRIBUTE = 1, 4, 5
_ATTRIBUTE_NAME, _ATTRIBUTE_NUMBER = 1, 3
_TENSOR_DIMS, _TENSOR_DATA_TYPE, _TENSOR_NAME, _TENSOR_EXTERNAL = 1, 2, 8, 13
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_VALUE_NAME, _VALUE_TYPE = 1, 2
_TYPE_TENSOR, _TENSOR_TYPE_ELEMENT, _TENSOR_TYPE_SHAPE = 1, 1, 2
_SHAPE_DIMENSION, _DIMENSION_SIZE = 1, 1

DATA_TYPES = {
    1: "fp32", 2: "int8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string", 9: "bool",
    10: "fp16", 11: "fp64", 12: "uint32", 13: "uint64", 16: "bf16", 17: "fp8", 18: "fp8", 19: "fp8", 20: "fp8",
    21: "int4", 22: "int4", 23: "fp4",
}  # fmt: skip

#: Operators whose weights are packed, several to a byte; without an attribute that tells, 4 bits.
_PACKED = frozenset({"MatMulNBits", "GatherBlockQuantized", "MatMulBnb4"})

#: Operators that compute with integers of 8 bits, or take them apart first.
_INTEGER = frozenset(
    {"MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "ConvInteger", "QLinearMatMul", "QLinearConv"}
    | {"QGemm", "QAttention", "DynamicQuantizeLSTM", "QEmbedLayerNormalization", "DequantizeLinear"}
)


def read_onnx(file: Header, path: str) -> tuple[WeightFacts, frozenset[str]]:
    """Returns the facts, and the paths of files that hold tensors outside of this one, relative to it.

    Of a file elsewhere, with weights between its tensors' descriptions, the facts are those of the first tensors.

    Raises:
        InvalidInputError: it is truncated or no ONNX file; the message names `path`.
    """
    if size_of(file) == 0:
        raise broken(path, "it is empty")
    with indexed(file) as data:
        reader = _Reader(Walker(data, path, "an ONNX model"), path)
        try:
            reader.read()
        except OutOfReachError:
            reader.is_partial = True
    return reader.facts(), frozenset(safe_relative_path(name) for name in reader.outside)


class _Reader:
    def __init__(self, walker: Walker, path: str) -> None:
        self._walker = walker
        self._path = path
        self._elements: Counter[str] = Counter()
        self._operators: Counter[str] = Counter()
        self._matrices: Counter[str] = Counter()
        self._packed: dict[str, int] = {}
        self._weights: set[str] = set()
        self._inputs: list[TensorSpec | None] = []
        self._outputs: list[TensorSpec | None] = []
        self.outside: set[str] = set()
        self.is_partial = False

    def read(self) -> None:
        graphs = [field for field in self._walker.top_level() if field[0] == _MODEL_GRAPH and field[1] == BYTES]
        if len(graphs) != 1:
            raise broken(self._path, "it is not an ONNX model")
        for number, wire, begin, end in self._walker.fields(*graphs[0][2:]):
            if wire != BYTES:
                continue
            if number == _GRAPH_NODE:
                self._node(begin, end)
            elif number == _GRAPH_INITIALIZER:
                self._tensor(begin, end)
            elif number == _GRAPH_INPUT:
                self._inputs.append(self._value(begin, end))
            elif number == _GRAPH_OUTPUT:
                self._outputs.append(self._value(begin, end))

    def facts(self) -> WeightFacts:
        """Returns what was read; only the weights of a graph that was not read to its end, or leaves ranks open."""
        # Older files list their weights among the inputs.
        inputs = [spec for spec in self._inputs if spec is None or spec.name not in self._weights]
        graph = None
        if not self.is_partial and None not in (*inputs, *self._outputs):
            graph = GraphFacts(_known(inputs), _known(self._outputs))
        return WeightFacts(
            dict(self._elements), is_partial=self.is_partial, told_precision=self._precision(), graph=graph
        )

    def _precision(self) -> str:
        """Returns the weights' precision as the operators say: of quantized ones where they compute with such.

        The widest share of the quantized weights decides: beside them a graph may keep a table of words in floating
        point, which would outnumber them. Small integers that no operator takes for weights are none.
        """
        coarse = {kind: n for kind, n in self._matrices.items() if is_quantized(kind) and kind not in BUFFERS}
        fine = {kind: n for kind, n in self._elements.items() if not is_quantized(kind) and kind not in BUFFERS}
        counts = coarse if coarse and (_PACKED | _INTEGER) & self._operators.keys() else fine
        return max(counts, key=lambda kind: (counts[kind], -bits_of(kind)), default="")

    def _node(self, begin: int, end: int) -> None:
        operator, bits, inputs = "", 4, []
        for number, wire, first, last in self._walker.fields(begin, end):
            if wire != BYTES:
                continue
            if number == _NODE_INPUT:
                inputs.append((first, last))
            elif number == _NODE_OPERATOR:
                operator = self._walker.text(first, last)
            elif number == _NODE_ATTRIBUTE and operator in _PACKED:
                bits = self._bits(first, last) or bits
        self._operators[operator] += 1
        if operator in _PACKED:
            self._packed |= {self._walker.text(*place): bits for place in inputs}

    def _bits(self, begin: int, end: int) -> int:
        """Returns the attribute `bits`; 0 for another one."""
        name, value = "", 0
        for number, wire, first, last in self._walker.fields(begin, end):
            if number == _ATTRIBUTE_NAME and wire == BYTES:
                name = self._walker.text(first, last)
            elif number == _ATTRIBUTE_NUMBER and wire == VARINT:
                value = first
        return value if name == "bits" and 1 <= value <= 8 else 0

    def _tensor(self, begin: int, end: int) -> None:
        shape: list[int] = []
        kind, name = 0, ""
        for number, wire, first, last in self._walker.fields(begin, end):
            if number == _TENSOR_DIMS:
                shape += [first] if wire == VARINT else self._walker.packed(first, last, MAX_RANK)
            elif number == _TENSOR_DATA_TYPE and wire == VARINT:
                kind = first
            elif number == _TENSOR_NAME and wire == BYTES:
                name = self._walker.text(first, last)
            elif number == _TENSOR_EXTERNAL and wire == BYTES:
                self.outside |= self._location(first, last)
        if len(shape) > MAX_RANK:
            raise broken(self._path, f"a tensor has {len(shape)} dimensions")
        self._weights.add(name)
        precision, count = DATA_TYPES.get(kind, f"onnx-{kind}"), math.prod(shape)
        if name in self._packed and precision == "int8":
            precision, count = f"int{self._packed[name]}", count * 8 // self._packed[name]
        self._elements[precision] += count
        if len(shape) > 1:
            self._matrices[precision] += count

    def _location(self, begin: int, end: int) -> set[str]:
        """Returns the `location` of external data; other entries are none."""
        texts = {
            number: self._walker.text(first, last)
            for number, wire, first, last in self._walker.fields(begin, end)
            if wire == BYTES
        }
        return {texts.get(_ENTRY_VALUE, "")} if texts.get(_ENTRY_KEY) == "location" else set()

    def _value(self, begin: int, end: int) -> TensorSpec | None:
        """Returns an input or an output; None when its rank is open, or it is no tensor."""
        name, kind = "", None
        for number, wire, first, last in self._walker.fields(begin, end):
            if number == _VALUE_NAME and wire == BYTES:
                name = self._walker.text(first, last)
            elif number == _VALUE_TYPE and wire == BYTES:
                kind = self._inside((first, last), _TYPE_TENSOR)
        shape = self._inside(kind, _TENSOR_TYPE_SHAPE) if kind is not None else None
        if kind is None or shape is None:
            return None
        element = next((f[2] for f in self._walker.fields(*kind) if f[:2] == (_TENSOR_TYPE_ELEMENT, VARINT)), 0)
        sides = [self._side(field) for field in self._walker.fields(*shape) if field[0] == _SHAPE_DIMENSION]
        return TensorSpec(name, DATA_TYPES.get(element, f"onnx-{element}"), tuple(sides[:MAX_RANK]))

    def _inside(self, span: tuple[int, int], wanted: int) -> tuple[int, int] | None:
        found = (field for field in self._walker.fields(*span) if field[0] == wanted and field[1] == BYTES)
        return next(((begin, end) for _, _, begin, end in found), None)

    def _side(self, field: Field) -> int:
        """Returns a fixed side; -1 for one that has a name or none."""
        _, wire, begin, end = field
        sizes = (f[2] for f in self._walker.fields(begin, end) if f[:2] == (_DIMENSION_SIZE, VARINT))
        size = next(sizes, 0) if wire == BYTES else 0
        return size if 0 < size < 1 << 31 else -1


def _known(specs: Sequence[TensorSpec | None]) -> tuple[TensorSpec, ...]:
    return tuple(spec for spec in specs if spec is not None)
