"""Checks the protos against the rules of buf's STANDARD set that matter here, and two traps of Envoy's transcoder.

    python protos/lint.py

It prints `file:line: rule: what is wrong` for each problem and exits 1 when there is one.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

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
from google.protobuf.message import Message

sys.path.insert(0, str(Path(__file__).resolve().parent))  # for those who load this file by its path
from described import Element, Node, Route, describe, elements, routes

PASCAL = re.compile(r"[A-Z][A-Za-z0-9]*\Z")
SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*\Z")
VERSIONED = re.compile(r".*\.v[1-9][0-9]*((alpha|beta)[1-9][0-9]*)?\Z")
VARIABLE = re.compile(r"\{([^}=]+)(?:=([^}]*))?\}")

#: Packages whose methods need no messages of their own, each with its reason.
SHARED_MESSAGES = {
    "panope.rest.v1": "a façade: its methods take and return google.api.HttpBody, which the server parses itself",
}


@dataclass(frozen=True)
class Problem:
    """One broken rule."""

    file: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule}: {self.message}"


@dataclass(frozen=True)
class Scope:
    """What a rule looks at: one file, within everything that was compiled."""

    file: FileDescriptorProto
    elements: Sequence[Element]
    types: dict[str, str]  # the file of each message and enum, by its full name with a leading dot
    messages: dict[str, DescriptorProto]
    routes: Sequence[tuple[Element, Route]]  # of all linted files
    uses: Counter[str]  # how many methods take or return a message, in all linted files

    def at(self, line: int, rule: str, message: str) -> Problem:
        """A problem of this file."""
        return Problem(self.file.name, line, rule, message)


Rule = Callable[[Scope], Iterator[Problem]]


def package(scope: Scope) -> Iterator[Problem]:
    """A package ends in its version and is named by its folder."""
    name = scope.file.package
    if not VERSIONED.match(name):
        yield scope.at(1, "package-version", f"package `{name}` does not end in a version such as `v1`")
    folder = str(PurePosixPath(scope.file.name).parent)
    if folder != name.replace(".", "/"):
        yield scope.at(1, "package-folder", f"package `{name}` is in folder `{folder}`")


def names(scope: Scope) -> Iterator[Problem]:
    """Types, services and methods are PascalCase; fields, oneofs and files are snake_case; services end in Service."""
    if not SNAKE.match(PurePosixPath(scope.file.name).stem):
        yield scope.at(1, "snake-case", f"file `{scope.file.name}` is not in snake_case")
    for element in scope.elements:
        name = element.node.name
        match element.node:
            case FieldDescriptorProto() | OneofDescriptorProto():
                if not SNAKE.match(name):
                    yield scope.at(element.line, "snake-case", f"`{element.name}` is not in snake_case")
            case EnumValueDescriptorProto():
                pass  # `enums` has a stricter rule
            case _:
                if not PASCAL.match(name):
                    yield scope.at(element.line, "pascal-case", f"`{element.name}` is not in PascalCase")
        if isinstance(element.node, ServiceDescriptorProto) and not name.endswith("Service"):
            yield scope.at(element.line, "service-suffix", f"service `{element.name}` does not end in Service")


def enums(scope: Scope) -> Iterator[Problem]:
    """Values start with the enum's name, and 0 is UNSPECIFIED."""
    for element in scope.elements:
        match element.node:
            case EnumDescriptorProto():
                zero = [value.name for value in element.node.value if value.number == 0]
                wanted = f"{_prefix(element.node)}UNSPECIFIED"
                if zero != [wanted]:
                    yield scope.at(element.line, "enum-zero", f"0 of `{element.name}` is not `{wanted}`")
            case EnumValueDescriptorProto():
                prefix = _prefix(element.parents[-1])
                if not re.match(rf"{prefix}[A-Z0-9]+(_[A-Z0-9]+)*\Z", element.node.name):
                    yield scope.at(element.line, "enum-prefix", f"`{element.node.name}` does not start with `{prefix}`")


def methods(scope: Scope) -> Iterator[Problem]:
    """Each method has a request and a response of its own, named after it, so that both can grow."""
    if scope.file.package in SHARED_MESSAGES:
        return
    for element in scope.elements:
        if not isinstance(element.node, MethodDescriptorProto):
            continue
        for full, suffix in ((element.node.input_type, "Request"), (element.node.output_type, "Response")):
            wanted = f"{element.node.name}{suffix}"
            if full != f".{scope.file.package}.{wanted}":
                yield scope.at(
                    element.line, "method-messages", f"`{element.name}` has {full[1:]}, not its own {wanted}"
                )
            elif scope.uses[full] > 1:
                yield scope.at(element.line, "method-messages", f"`{element.name}` shares {wanted} with another method")


def imports(scope: Scope) -> Iterator[Problem]:
    """Nothing is imported in vain, publicly or weakly."""
    # What is not among the types is the entry message of a map, which nobody wrote and nobody imports.
    used = {scope.types.get(name) for name in _type_names(scope.file)} | _option_files(scope.file)
    for imported in scope.file.dependency:
        if imported not in used:
            yield scope.at(1, "unused-import", f"`{imported}` is imported and not used")
    for index in (*scope.file.public_dependency, *scope.file.weak_dependency):
        yield scope.at(1, "import-kind", f"`{scope.file.dependency[index]}` is imported publicly or weakly")


def comments(scope: Scope) -> Iterator[Problem]:
    """Every declaration says what it means."""
    for element in scope.elements:
        if not element.comment:
            yield scope.at(element.line, "comment", f"`{element.name}` has no comment")


def http(scope: Scope) -> Iterator[Problem]:
    """Templates are unique, start with a slash, do not end in one, and name fields of their request.

    Envoy accepts a configuration that breaks these, and then matches nothing.
    """
    taken = Counter((route.verb, _shape(route)) for _, route in scope.routes)
    for element, route in scope.routes:
        if element.file is not scope.file:
            continue
        where = f"`{route.verb} {route.template}`"
        if taken[route.verb, _shape(route)] > 1:
            yield scope.at(element.line, "http-duplicate", f"{where} is the template of another method too")
        if not route.template.startswith("/") or (route.template.endswith("/") and route.template != "/"):
            yield scope.at(element.line, "http-slash", f"{where} must start with a slash and not end in one")
        assert isinstance(element.node, MethodDescriptorProto)  # routes are of methods
        named = [name for name, _ in VARIABLE.findall(route.template)]
        if route.body not in ("", "*"):
            named.append(route.body)
        for name in named:
            if not _is_field(name, element.node.input_type, scope.messages):
                request = element.node.input_type[1:]
                yield scope.at(element.line, "http-field", f"{where} names `{name}`, which is no field of {request}")


RULES: tuple[Rule, ...] = (package, names, enums, methods, imports, comments, http)


def lint(compiled: FileDescriptorSet, *, prefix: str = "panope/") -> list[Problem]:
    """All problems of the files below a folder, in their order."""
    linted = {file.name: list(elements(file)) for file in compiled.file if file.name.startswith(prefix)}
    methods = [
        (element, element.node)
        for found in linted.values()
        for element in found
        if isinstance(element.node, MethodDescriptorProto)
    ]
    types = {
        f".{element.name}": element
        for file in compiled.file
        for element in elements(file)
        if isinstance(element.node, DescriptorProto | EnumDescriptorProto)
    }
    messages = {name: found.node for name, found in types.items() if isinstance(found.node, DescriptorProto)}
    all_routes = [(element, route) for element, node in methods for route in routes(node)]
    uses = Counter(name for _, node in methods for name in {node.input_type, node.output_type})
    files = {name: found.file.name for name, found in types.items()}
    scopes = (
        Scope(file, linted[file.name], files, messages, all_routes, uses)
        for file in compiled.file
        if file.name in linted
    )
    return [problem for scope in scopes for rule in RULES for problem in rule(scope)]


def _type_names(node: Message) -> Iterator[str]:
    """Names of the messages and enums that a descriptor refers to, however deep."""
    for field, value in node.ListFields():
        if field.name in ("type_name", "input_type", "output_type", "extendee"):
            yield value
        elif field.message_type is not None and field.name not in ("options", "source_code_info"):
            for child in value if field.is_repeated else [value]:
                yield from _type_names(child)


def _option_files(node: Message) -> set[str]:
    """The files that declare the custom options that a descriptor sets, however deep."""
    found: set[str] = set()
    for field, value in node.ListFields():
        if field.is_extension:
            found.add(field.file.name)  # type: ignore[attr-defined]  # in every runtime, not in its stubs
        elif field.message_type is not None and field.name != "source_code_info":
            for child in value if field.is_repeated else [value]:
                found |= _option_files(child)
    return found


def _prefix(enum: Node) -> str:
    """What the values of an enum start with: `HTTP_KIND_` for HTTPKind."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", enum.name).upper() + "_"


def _shape(route: Route) -> str:
    """A template without the names of its variables: what Envoy matches by."""
    return VARIABLE.sub(lambda variable: variable[2] or "*", route.template)


def _is_field(dotted: str, message: str, messages: dict[str, DescriptorProto]) -> bool:
    first, _, rest = dotted.partition(".")
    field = next((field for field in messages[message].field if field.name == first), None)
    if field is None:
        return False
    return not rest or (field.type_name in messages and _is_field(rest, field.type_name, messages))


def main() -> int:
    """Prints the problems; the exit code."""
    problems = lint(describe())
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
