"""What an OpenVINO IR says of its weights: the constants of its XML, whose data are in the .bin beside it."""

from __future__ import annotations

import math
from collections import Counter
from xml.parsers import expat

from panope_registry.documents import broken
from panope_registry.headers.facts import WeightFacts
from panope_registry.headers.opened import Header, forward, size_of

MAX_XML_BYTES = 256 << 20
MAX_RANK = 32

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
    parser.StartElementHandler = reader.start
    # No IR declares a document type; one that does wants its entities expanded without end.
    parser.StartDoctypeDeclHandler = reader.refuse
    try:
        with forward(file) as stream:
            parser.ParseFile(stream)
    except expat.ExpatError as error:
        raise broken(path, f"line {error.lineno}: it is not well-formed XML") from None
    if not reader.is_net:
        raise broken(path, "it is not an OpenVINO model")
    return WeightFacts(dict(reader.elements))


class _Reader:
    def __init__(self, path: str, weights_bytes: int) -> None:
        self._path = path
        self._weights_bytes = weights_bytes
        self._in_constant = False
        self.is_net = False
        self.elements: Counter[str] = Counter()

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "net":
            self.is_net = True
        elif tag == "layer":
            self._in_constant = attributes.get("type") == "Const"
        elif tag == "data" and self._in_constant:
            self._constant(attributes)

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
        self.elements[ELEMENT_TYPES.get(kind, f"openvino-{kind[:16]}")] += math.prod(shape)
