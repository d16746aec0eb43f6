"""Tells in our own words what is wrong with a JSON body: which field, and what it takes instead.

msgspec checks bodies against their schema while it reads them; its findings are translated here, without the values
that a caller sent.
"""

from __future__ import annotations

import difflib
import re
from typing import Any

import msgspec
from msgspec import inspect

from panope_backends.errors import InvalidInputError

_AT = re.compile(r"^(?P<finding>.*?)(?: - at (?P<key>`key` in )?`\$(?P<path>.*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"^Object contains unknown field `(?P<name>.*)`$", re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(?P<name>.*)`$")
_BYTE = re.compile(r"\(byte (\d+)\)")
#: The first half of a pair, after an even number of backslashes, with anything but a second half behind it. Of one near
#: the body's end msgspec tells as if the body ended there.
_LONE_SURROGATE = re.compile(
    rb"(?<!\\)(?:\\\\)*\\u[dD][89abAB][0-9a-fA-F]{2}(?:[^\\]|\\[^u]|\\u[^dD]|\\u[dD][^c-fC-F])"
)
#: The end of a pattern as msgspec tells it; other languages write `$`.
_PYTHONS_END = r"\\Z'"
_NOT_JSON = (b"NaN", b"Infinity")

UNKNOWN_FIELD = "unknown_field"

_MAX_NAME = 64
_WORDS = {
    "array": "a list",
    "bool": "a boolean",
    "float": "a number",
    "int": "an integer",
    "object": "an object",
    "str": "a string",
}


def malformed(error: Exception, body: bytes) -> InvalidInputError:
    """For a body that is not JSON at all."""
    if isinstance(error, UnicodeDecodeError):
        return InvalidInputError("the body is not UTF-8", reason="invalid_json")
    if isinstance(error, RecursionError):
        return InvalidInputError("the body is nested too deeply", reason="invalid_json")
    position = _BYTE.search(str(error))
    at = int(position.group(1)) if position else None
    if "surrogate" in str(error) or _is_half_a_pair(body, at):
        return InvalidInputError(
            "the body is not valid JSON: a string has half of a surrogate pair, such as \\ud83d, alone",
            reason="invalid_json",
        )
    if at is None:
        return InvalidInputError("the body is not valid JSON: it ends in the middle of a value", reason="invalid_json")
    for word in _NOT_JSON:
        if body.startswith(word, at):
            sign = "-" if body[at - 1 : at] == b"-" else ""
            return InvalidInputError(
                f"the body is not valid JSON: {sign}{word.decode()} at byte {at} is no JSON number",
                reason="invalid_json",
            )
    return InvalidInputError(f"the body is not valid JSON at byte {at}", reason="invalid_json")


def _is_half_a_pair(body: bytes, at: int | None) -> bool:
    """Whether half of a pair is what the reader stumbled over at a byte; None for the end of the body."""
    return any(at is None or half.start() <= at <= half.end() + 6 for half in _LONE_SURROGATE.finditer(body))


def misfit(error: msgspec.ValidationError, schema: Any, prefix: str = "") -> InvalidInputError:
    """For JSON that does not fit its schema.

    Args:
        error: msgspec's finding.
        schema: the type that was expected.
        prefix: where in the body the checked value is, such as `value`; empty for the whole body.
    """
    match = _AT.match(str(error))
    finding, inner = (match["finding"], match["path"] or "") if match else (str(error), "")
    path = (prefix + inner).removeprefix(".")
    if unknown := _UNKNOWN.match(finding):
        return _unknown_field(unknown["name"], path, _struct_at(schema, inner))
    if missing := _MISSING.match(finding):
        name = _joined(path, missing["name"])
        return InvalidInputError(f"`{name}` is missing", field=name, reason="missing_field")
    where = f"`{path}`" if path else "the body"
    if match and match["key"]:
        return InvalidInputError(f"a key of {where} {_complaint(finding, None)}", field=path)
    return InvalidInputError(f"{where} {_complaint(finding, _type_at(schema, inner))}", field=path)


def _unknown_field(name: str, path: str, struct: inspect.StructType | None) -> InvalidInputError:
    name = name[:_MAX_NAME]
    fields = sorted(struct.fields if struct else (), key=lambda field: not field.required)
    known = [field.encode_name for field in fields]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean `{close[0]}`?" if close else f"known are {', '.join(f'`{field}`' for field in known)}"
    where = f" in `{path}`" if path else ""
    return InvalidInputError(f"unknown field `{name}`{where}; {hint}", field=_joined(path, name), reason=UNKNOWN_FIELD)


def _complaint(finding: str, wanted: inspect.Type | None) -> str:
    literals = _literals(wanted)
    if finding.startswith("Invalid enum value") and literals:
        return f"must be one of {', '.join(literals)}" if len(literals) > 1 else f"must be {literals[0]}"
    if finding.startswith("Expected"):
        words = re.sub(r"`([^`]*)`", lambda quoted: _plain(quoted[1]), finding.removeprefix("Expected "))
        return "must be " + words.replace(_PYTHONS_END, "$'")
    if finding.startswith("Invalid base64"):
        return "is not base64"
    if finding in {"Number out of range", "Integer value out of range"}:
        return "is a number that is out of range"
    return "has a value that it cannot take"


def _plain(types: str) -> str:
    return " or ".join(_WORDS.get(word, word) for word in types.split(" | "))


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _struct_at(schema: Any, path: str) -> inspect.StructType | None:
    return next((kind for kind in _alternatives(_type_at(schema, path)) if isinstance(kind, inspect.StructType)), None)


def _literals(wanted: inspect.Type | None) -> list[str]:
    """The values as a caller writes them, words without their quotes."""
    kinds = [kind for kind in _alternatives(wanted) if isinstance(kind, inspect.LiteralType)]
    return [v if isinstance(v, str) else msgspec.json.encode(v).decode() for kind in kinds for v in kind.values]


def _type_at(schema: Any, path: str) -> inspect.Type | None:
    """The type that the schema has at a path such as `.inputs[0].datatype`."""
    here: inspect.Type | None = inspect.type_info(schema)
    for name, _ in re.findall(r"\.(\w+)|(\[[^\]]*\])", path):
        here = _inside(here, name)
    return here


def _inside(kind: inspect.Type | None, name: str) -> inspect.Type | None:
    for alternative in _alternatives(kind):
        if not name and isinstance(alternative, inspect.ListType):
            return alternative.item_type
        if isinstance(alternative, inspect.StructType):
            for field in alternative.fields:
                if field.encode_name == name:
                    return field.type
    return None


def _alternatives(kind: inspect.Type | None) -> tuple[inspect.Type, ...]:
    if kind is None:
        return ()
    return tuple(kind.types) if isinstance(kind, inspect.UnionType) else (kind,)
