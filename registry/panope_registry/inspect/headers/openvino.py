"""What an OpenVINO IR says of itself: its constants, whose data are in the .bin beside it, its inputs and outputs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from xml.parsers import expat

from panope_backends.api import TensorSpec
from panope_backends.model_facts.text_graphs import tensor_name
from panope_registry.inspect.documents import broken
from panope_registry.inspect.file_bytes import Header, forward, size_of
from panope_registry.inspect.headers.facts import BUFFERS, GraphFacts, WeightFacts
from panope_registry.inspect.precisions import bits_of, is_quantized

MAX_XML_BYTES = 256 << 20
MAX_RANK = 32
MAX_DIGITS = 32

#: The layers whose shapes are told.
_ENDS = ("Parameter", "Result")

ELEMENT_TYPES = {
    "f64": "fp64", "f32": "fp32", "f16": "fp16", "bf16": "bf16", "f8e4m3": "fp8", "f8e5m2": "fp8", "f8e8m0": "fp8",
    "f4e2m1": "fp4", "nf4": "nf4", "i8": "int8", "u8": "int8", "i4": "int4", "u4": "int4", "u2": "int2", "u1": "int1",
    "i64": "int64", "i32": "int32", "i16": "int16", "u64": "uint64", "u32": "uint32", "u16": "uint16",
    "boolean": "bool", "string": "string",
}  # fmt: skip


def read_openvino(file: Header, path: str, weights_bytes: int) -> WeightFacts:
    """Reads an IR's XML; every constant must lie in its .bin, of `weights_bytes`.

    Raises:
        InvalidInputError: it is no IR, or its .bin is truncated; the message names `path`.
    """
    if size_of(file) > MAX_XML_BYTES:
        raise broken(path, f"it is larger than {MAX_XML_BYTES >> 20} MiB")
    reader = _Reader(path, weights_bytes)
    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.text
    # No IR declares a document type; one that does wants its entities expanded without end.
    parser.StartDoctypeDeclHandler = reader.refuse
    try:
        with forward(file) as stream:
            parser.ParseFile(stream)
    except expat.ExpatError as error:
        raise broken(path, f"line {error.lineno}: it is not well-formed XML") from None
    if not reader.is_net:
        raise broken(path, "it is not an OpenVINO model")
    return reader.facts()


class _Reader:
    def __init__(self, path: str, weights_bytes: int) -> None:
        self._path = path
        self._weights_bytes = weights_bytes
        self._layer: Mapping[str, str] = {}
        self._port: Mapping[str, str] = {}
        self._shape: list[int] = []
        self._digits = ""
        self._inputs: list[TensorSpec] = []
        self._results: dict[str, TensorSpec] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._matrices: Counter[str] = Counter()
        self.is_net = False
        self.elements: Counter[str] = Counter()

    def facts(self) -> WeightFacts:
        """Returns all that was read."""
        graph = GraphFacts(tuple(self._inputs), tuple(self._results.values()))
        known = graph if graph.inputs and graph.outputs else None
        return WeightFacts(dict(self.elements), told_precision=self._quantized(), graph=known)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "net":
            self.is_net = True
        elif tag == "layer":
            self._layer = attributes
        elif tag == "data" and self._kind == "Const":
            self._constant(attributes)
        elif tag == "port":
            self._port, self._shape = attributes, []
        elif tag == "dim":
            self._digits = ""
        elif tag == "edge":
            self._edge(attributes)

    def text(self, content: str) -> None:
        """A number of a shape, which may come in pieces."""
        if self._kind in _ENDS and len(self._digits) < MAX_DIGITS:
            self._digits += content

    def end(self, tag: str) -> None:
        """A port is known at its end."""
        if tag == "layer":
            self._layer = {}
        elif tag == "dim" and self._kind in _ENDS:
            self._shape.append(self._side())
        elif tag == "port":
            self._port_ended()

    @property
    def _kind(self) -> str:
        return self._layer.get("type", "")

    def _port_ended(self) -> None:
        layer, node = self._layer.get("id", ""), self._layer.get("name", "")
        names = self._port.get("names", "") or self._layer.get("output_names", "")
        name = tensor_name(names.split(",") if names else (), node)
        if names:
            self._names[layer, self._port.get("id", "")] = name
        spec = TensorSpec(name, "", tuple(self._shape[:MAX_RANK]))
        if self._kind == "Parameter":
            self._inputs.append(spec)
        elif self._kind == "Result":
            self._results[layer] = spec

    def _edge(self, attributes: Mapping[str, str]) -> None:
        """A result has the name of what leads to it."""
        end = attributes.get("to-layer", "")
        name = self._names.get((attributes.get("from-layer", ""), attributes.get("from-port", "")))
        if name and end in self._results:
            self._results[end] = replace(self._results[end], name=name)

    def _side(self) -> int:
        try:
            return max(-1, int(self._digits))
        except ValueError:
            raise broken(self._path, "a side of a shape is not a number") from None

    def _quantized(self) -> str:
        """Returns the precision of quantized matrices; no IR in floating point has a matrix of small integers."""
        counts = {kind: count for kind, count in self._matrices.items() if is_quantized(kind) and kind not in BUFFERS}
        return max(counts, key=lambda kind: (counts[kind], -bits_of(kind)), default="")

    def refuse(self, *_declaration: object) -> None:
        raise broken(self._path, "it declares a document type, as no OpenVINO model does")

    def _constant(self, attributes: dict[str, str]) -> None:
        try:
            shape = [int(part) for part in attributes.get("shape", "").split(",") if part.strip()]
            end = int(attributes.get("offset", "0")) + int(attributes.get("size", "0"))
        except ValueError:
            raise broken(self._path, "a constant's shape or place is not a number") from None
        if len(shape) > MAX_RANK or any(side < 0 for side in shape):
            raise broken(self._path, "a constant has an impossible shape")
        if end > self._weights_bytes:
            raise broken(self._path, f"its weights need {end} bytes and its .bin has {self._weights_bytes}")
        kind = attributes.get("element_type", "")
        precision = ELEMENT_TYPES.get(kind, f"openvino-{kind[:16]}")
        self.elements[precision] += math.prod(shape)
        if len(shape) > 1:
            self._matrices[precision] += math.prod(shape)
