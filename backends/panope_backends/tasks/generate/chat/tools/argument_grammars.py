"""Grammars of arguments that are not written as one JSON object: in tags, or as Python."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from panope_backends.errors import InvalidInputError
from panope_backends.tasks.generate.chat.tools.lark import Writer, json_of, literal
from panope_backends.tasks.generate.chat.tools.tagged_calls import Tags, is_text, resolved

Schema = Mapping[str, Any]

#: What a schema may say of all arguments, so that a grammar of each by itself holds them to it.
_OF_ALL = frozenset(
    {"type", "properties", "required", "additionalProperties", "$defs", "definitions", "$schema", "$id", "title"}
    | {"description", "examples", "default", "$comment"}
)
#: What limits a text and cannot be told in a grammar of texts without quotes.
_OF_TEXTS = ("pattern", "format")
_PYTHON_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PYTHON = {"boolean": '("True" | "False")', "null": '"None"'}


def require_expressible(schema: Schema, *, texts: bool) -> None:
    """Refuses the schema of a strict tool to which a grammar of single arguments cannot hold answers.

    Args:
        schema: of the arguments.
        texts: whether arguments stand in tags, texts without quotes; they are written as Python otherwise.

    Raises:
        InvalidInputError: `tools`, with the keyword or the argument.
    """
    found = next((keyword for keyword in schema if keyword not in _OF_ALL), None)
    for key in _properties(schema) if texts and found is None else ():
        limits = resolved(schema, _properties(schema)[key])
        if is_text(schema, key) and isinstance(limits, Mapping):
            found = found or next((keyword for keyword in _OF_TEXTS if keyword in limits), None)
    if found is not None:
        raise InvalidInputError.at(
            "tools",
            "{field} are strict and say `{keyword}`, to which the form in which this model writes calls is not held",
            keyword=found[:64],
            reason="unsupported_field",
        )
    unnamed = next((key for key, is_required in _keys(schema) if is_required and not _PYTHON_NAME.fullmatch(key)), None)
    if unnamed is not None and not texts:
        raise InvalidInputError.at(
            "tools",
            "{field} are strict and require `{name}`, which is no name in Python, in which this model writes calls",
            name=unnamed[:64],
            reason="unsupported_field",
        )


def tagged_arguments(name: str, schema: Schema, tags: Tags, writer: Writer) -> list[str]:
    """Rules of arguments in tags, in the schema's order; the first rule is `name`."""
    close = tags.value[1]
    if not _properties(schema):
        key = f"{name}_key[suffix={literal(tags.key[1])}]: /[A-Za-z0-9_.-]{{1,64}}/"
        value = f"{name}_value[suffix={literal(close)}]: /(?s:.*)/"
        item = f"{writer.text(tags.key[0])} {name}_key {writer.text(tags.value[0])} {name}_value"
        return [f"{name}: ({item})*", key, value]
    items: list[str] = []
    rules: list[str] = []
    for number, (key, is_required) in enumerate(_keys(schema)):
        rule = f"{name}_{number}"
        head = writer.text(f"{tags.key[0]}{key}{tags.key[1]}{tags.value[0]}")
        items.append(f"{head} {rule}" if is_required else f"({head} {rule})?")
        rules.append(_tagged_value(rule, schema, key, close, writer))
    return [f"{name}: {' '.join(items)}", *rules]


def _tagged_value(rule: str, schema: Schema, key: str, close: str, writer: Writer) -> str:
    limits = resolved(schema, _properties(schema)[key])
    assert isinstance(limits, Mapping)
    if not is_text(schema, key):
        return f"{rule}: {rule}_json {writer.text(close)}\n{rule}_json: {json_of(_alone(schema, limits))}"
    values = limits.get("enum", [limits["const"]] if "const" in limits else None)
    if isinstance(values, list):
        choices = " | ".join(writer.text(f"{value}{close}") for value in values)
        return f"{rule}: {choices}"
    least, most = limits.get("minLength"), limits.get("maxLength")
    count = "*" if least is None and most is None else f"{{{least or 0},{'' if most is None else most}}}"
    return f"{rule}[suffix={literal(close)}]: /(?s:.{count})/"


def python_arguments(name: str, schema: Schema) -> list[str]:
    """Rules of arguments as Python has them, those that must be there first; the first rule is `name`."""
    keys = [key for key in _keys(schema) if _PYTHON_NAME.fullmatch(key[0])]
    rules = [f"{name}_{number}: {_python_value(key, schema)}" for number, (key, _) in enumerate(keys)]
    items = [f"{name}_{number}" for number in range(len(keys))]
    required = [item for item, (_, is_required) in zip(items, keys, strict=True) if is_required]
    optional = [item for item in items if item not in required]
    more = [f'(", " {item})?' for item in optional]
    if required:
        whole = ' ", " '.join(required)
        return [f"{name}: {' '.join([whole, *more])}", *rules]
    ways = [" ".join([item, *more[place + 1 :]]) for place, item in enumerate(optional)]
    return [f"{name}: ({' | '.join(ways)})?" if ways else f'{name}: ""', *rules]


def _python_value(key: str, schema: Schema) -> str:
    limits = resolved(schema, _properties(schema)[key])
    assert isinstance(limits, Mapping)
    kind = limits.get("type")
    value = _PYTHON.get(kind, "") if isinstance(kind, str) and "enum" not in limits and "const" not in limits else ""
    return f"{literal(f'{key}=')} {value or json_of(_alone(schema, limits))}"


def _keys(schema: Schema) -> Iterator[tuple[str, bool]]:
    """Each argument, and whether it must be there."""
    required = schema.get("required")
    for key, limits in _properties(schema).items():
        if isinstance(resolved(schema, limits), Mapping):
            yield key, isinstance(required, list) and key in required


def _properties(schema: Schema) -> Schema:
    """Each argument's schema; `true`, which lets anything be, as the empty one."""
    found = schema.get("properties")
    return {key: {} if each is True else each for key, each in found.items()} if isinstance(found, Mapping) else {}


def _alone(root: Schema, schema: Schema) -> Schema:
    """A schema of one argument, with the definitions to which it may refer."""
    shared = {name: root[name] for name in ("$defs", "definitions") if name in root}
    return {**shared, **schema}
