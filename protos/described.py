"""The protos as descriptors with their comments: what lint and the API page read."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# Registers the HTTP option; without it the parser would keep the option as unknown bytes.
from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    EnumValueDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
    OneofDescriptorProto,
    ServiceDescriptorProto,
)

sys.path.insert(0, str(Path(__file__).resolve().parent))  # for those who load this file by its path
import generate

Node = (
    DescriptorProto
    | FieldDescriptorProto
    | OneofDescriptorProto
    | EnumDescriptorProto
    | EnumValueDescriptorProto
    | ServiceDescriptorProto
    | MethodDescriptorProto
)


@dataclass(frozen=True)
class Element:
    """One declaration of a file.

    Attributes:
        node: its descriptor.
        name: its name with package and parents, such as `panope.v1.EmbedRequest.texts`.
        parents: the descriptors around it, outermost first.
        file: the file it is in.
        comment: the comment above it, or behind it; empty when there is none.
        line: where it starts, from 1.
    """

    node: Node
    name: str
    parents: tuple[Node, ...]
    file: FileDescriptorProto
    comment: str
    line: int


@dataclass(frozen=True)
class Route:
    """One way to call a method over HTTP."""

    verb: str
    template: str
    body: str


def describe(files: Sequence[str] | None = None, *, root: Path | None = None) -> FileDescriptorSet:
    """Compiles protos, by default Panope's own, with their comments and everything they import.

    Args:
        files: paths relative to the proto root, or to `root`.
        root: a further folder to search.
    """
    with tempfile.NamedTemporaryFile(suffix=".binpb") as out:
        flags = ["--include_imports", "--include_source_info", f"--descriptor_set_out={out.name}"]
        search = [] if root is None else ["-I", str(root)]
        generate.protoc([*search, *flags, *(generate.proto_files() if files is None else files)])
        return FileDescriptorSet.FromString(Path(out.name).read_bytes())


def elements(file: FileDescriptorProto) -> Iterator[Element]:
    """Every declaration of a file, parents before children, in the order of the file for each kind."""
    places = {tuple(location.path): location for location in file.source_code_info.location}

    def visit(node: Node, path: tuple[int, ...], parents: tuple[Node, ...]) -> Iterator[Element]:
        location = places.get(path)
        name = ".".join([file.package, *(parent.name for parent in parents), node.name])
        comment = (location.leading_comments or location.trailing_comments).strip() if location else ""
        yield Element(node, name, parents, file, comment, location.span[0] + 1 if location else 0)
        for number, children in _children(node):
            for index, child in enumerate(children):
                yield from visit(child, (*path, number, index), (*parents, node))

    top: tuple[tuple[int, Sequence[Node]], ...] = ((6, file.service), (4, file.message_type), (5, file.enum_type))
    for number, nodes in top:
        for index, node in enumerate(nodes):
            yield from visit(node, (number, index), ())


def _children(node: Node) -> Iterator[tuple[int, Sequence[Node]]]:
    """What a declaration holds, by the field number that descriptor.proto gives it."""
    match node:
        case DescriptorProto():
            yield 2, node.field
            # proto3's `optional` is a oneof that nobody wrote, and a map an entry message that nobody wrote.
            yield 8, [oneof for index, oneof in enumerate(node.oneof_decl) if not _is_synthetic(node, index)]
            yield 3, [nested for nested in node.nested_type if not nested.options.map_entry]
            yield 4, node.enum_type
        case EnumDescriptorProto():
            yield 2, node.value
        case ServiceDescriptorProto():
            yield 2, node.method


def _is_synthetic(message: DescriptorProto, oneof: int) -> bool:
    return any(field.proto3_optional and field.oneof_index == oneof for field in message.field)


def routes(method: MethodDescriptorProto) -> list[Route]:
    """The HTTP routes of a method, the first binding first."""
    if not method.options.HasExtension(annotations_pb2.http):
        return []
    rule = method.options.Extensions[annotations_pb2.http]
    return [_route(binding) for binding in (rule, *rule.additional_bindings)]


def _route(rule: http_pb2.HttpRule) -> Route:
    verb = rule.WhichOneof("pattern") or ""
    if verb == "custom":
        return Route(rule.custom.kind, rule.custom.path, rule.body)
    return Route(verb.upper(), getattr(rule, verb, ""), rule.body)
