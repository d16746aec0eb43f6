"""The public surface of the Python client: what `panope_client` exports, with signatures."""

from __future__ import annotations

import ast
import builtins
import enum
import inspect
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints, is_typeddict

from google.protobuf.message import Message

import panope_client

PROTOCOLS = {"__init__", "__len__", "__enter__", "__exit__", "__aenter__", "__aexit__"}
ALIAS = re.compile(r"[A-Z]\w+")


def listing() -> str:
    """Every exported name, then every alias of a type that their signatures use."""
    exported = "\n\n".join(_lines(name, getattr(panope_client, name)) for name in sorted(panope_client.__all__))
    used = set(ALIAS.findall(exported)) - set(panope_client.__all__)
    aliases = "\n".join(line for name, line in _aliases() if name in used)
    return f"{exported}\n\n{aliases}\n"


def _lines(name: str, value: Any) -> str:
    if inspect.isfunction(value):
        return f"def {name}{_signature(value)}"
    if issubclass(value, Message):
        return f"message {name} = {value.DESCRIPTOR.full_name}"
    if is_typeddict(value):
        members: Iterator[str] = (f"{field}: {_shown(hint)}" for field, hint in get_type_hints(value).items())
    elif issubclass(value, enum.Enum):
        members = (f"{member.name} = {member.value!r}" for member in value)
    else:
        members = _members(value)
    return "\n    ".join([f"class {name}{_bases(value)}", *members])


def _bases(kind: type) -> str:
    known = set(panope_client.__all__) | set(vars(builtins)) - {"object", "dict"} | {"StrEnum"}
    names = [base.__name__ for base in kind.__bases__ if base.__name__ in known]
    return f"({', '.join(names)})" if names else ""


def _members(kind: type) -> Iterator[str]:
    """The members of a class but for those that an exported base has."""
    for name in sorted(dir(kind)):
        owner = next(base for base in kind.__mro__ if name in vars(base))
        inherited = owner is not kind and owner.__name__ in panope_client.__all__
        if inherited or not owner.__module__.startswith("panope_client"):
            continue
        if name in PROTOCOLS or name[0] != "_":
            yield from _member(name, vars(owner)[name])


def _member(name: str, member: Any) -> Iterator[str]:
    if isinstance(member, property):
        assert member.fget is not None
        yield f"property {name}{_signature(member.fget)}"
    elif isinstance(member, staticmethod):
        yield f"static def {name}{_signature(member.__func__)}"
    elif inspect.isfunction(member):
        is_async = inspect.iscoroutinefunction(member) or inspect.isasyncgenfunction(member)
        yield f"{'async ' if is_async else ''}def {name}{_signature(member)}"


def _signature(function: Any) -> str:
    signature = inspect.signature(function)
    parameters = [
        parameter.replace(annotation=_as_written(parameter.annotation))
        for parameter in signature.parameters.values()
        if parameter.name != "self"
    ]
    return str(signature.replace(parameters=parameters, return_annotation=_as_written(signature.return_annotation)))


def _as_written(annotation: Any) -> Any:
    return _Text(annotation) if isinstance(annotation, str) else annotation


class _Text:
    """An annotation that is shown as it was written."""

    def __init__(self, annotation: str) -> None:
        self._annotation = annotation

    def __repr__(self) -> str:
        return self._annotation


def _shown(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else re.sub(r"\btyping\.", "", repr(hint))


def _aliases() -> Iterator[tuple[str, str]]:
    """The aliases of types in the client's modules, as they are written."""
    for module in sorted(pkgutil.walk_packages(panope_client.__path__, "panope_client."), key=lambda m: m.name):
        path = Path(str(import_module(module.name).__file__))
        for statement in ast.parse(path.read_text()).body:
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if not isinstance(value, ast.Call):
                    yield name, f"{module.name}.{name} = {ast.unparse(value)}"
                case ast.AnnAssign(
                    target=ast.Name(id=name), annotation=ast.Name(id="TypeAlias"), value=ast.expr() as v
                ):
                    yield name, f"{module.name}.{name} = {ast.unparse(v)}"
