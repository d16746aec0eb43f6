"""Objects that have a field twice: readers of JSON take one of the two in silence, and not all the same one.

The reader of bodies keeps the last and tells nothing, so the body is read again by one that tells all fields of each
object. Where a field stands twice the text says: in an object, its name stands once more than in the values.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec import Raw, inspect

from panope_backends.errors import InvalidInputError

MAX_NAME = 64

_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_LIST = msgspec.json.Decoder(list[Raw])
_ENCODE = msgspec.json.Encoder().encode


def names_in(schema: Any) -> tuple[bytes, ...] | None:
    """Every name that a field of a schema has, at any depth, as JSON writes it; None where values may be anything.

    A body in which none of them stands twice has no field twice: most bodies need no second look.
    """
    names: set[bytes] = set()
    left, seen = [inspect.type_info(schema)], set[type]()
    while left:
        kind = left.pop()
        if isinstance(kind, inspect.AnyType):
            return None
        if isinstance(kind, inspect.StructType) and kind.cls not in seen:
            seen.add(kind.cls)
            names |= {_ENCODE(field.encode_name) for field in kind.fields}
            left += [field.type for field in kind.fields]
        elif isinstance(kind, inspect.UnionType):
            left += kind.types
        elif isinstance(kind, inspect.ListType):
            left.append(kind.item_type)
    return tuple(names)


class _TwiceError(Exception):
    """An object has a field twice."""


def refuse_duplicates(data: bytes) -> None:
    """Refuses a field that is given twice.

    Args:
        data: valid JSON, without blanks before it.

    Raises:
        InvalidInputError: names the field, or the body is nested so deeply that nobody can tell.
    """
    try:
        # Numbers are left as they are written: Python makes none of more than 4,300 digits.
        json.loads(data, object_pairs_hook=_check_pairs, parse_int=str, parse_float=str)
    except RecursionError:
        raise InvalidInputError("the body is nested too deeply", reason="invalid_json") from None
    except _TwiceError as twice:
        _refuse(data, "")
        # One of the two is written with escapes.
        name = str(twice)[:MAX_NAME]
        raise InvalidInputError(f"`{name}` is given twice", field=name, reason="duplicate_field") from None


def _check_pairs(pairs: list[tuple[str, object]]) -> None:
    """Looks at one object; the reader of JSON calls it for each, from the innermost out."""
    if len(pairs) > 1 and len({name for name, _ in pairs}) < len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(next(name for name in names if names.count(name) > 1))


def _refuse(data: bytes, path: str) -> None:
    """Names the field that stands twice in the data, which stands at a path of the body."""
    if data.startswith(b"{"):
        _check_object(data, path)
    elif data.startswith(b"[") and data[1:64].lstrip().startswith(b"{"):
        for index, item in enumerate(_LIST.decode(data)):
            _refuse(bytes(item), f"{path}[{index}]")


def _check_object(data: bytes, path: str) -> None:
    fields = _OBJECT.decode(data)
    for name in fields:
        written = _ENCODE(name)
        count = data.count(written)
        if count > 1 and count > 1 + sum(bytes(value).count(written) for value in fields.values()):
            where = _joined(path, name)
            raise InvalidInputError(f"`{where}` is given twice", field=where, reason="duplicate_field")
    for name, value in fields.items():
        inner = bytes(value)
        if inner.startswith((b"{", b"[")):
            _refuse(inner, _joined(path, name))


def _joined(path: str, name: str) -> str:
    return f"{path}.{name[:MAX_NAME]}" if path else name[:MAX_NAME]
