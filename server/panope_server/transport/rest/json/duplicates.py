"""Objects that have a field twice: readers of JSON take one of the two in silence, and not all the same one.

The reader of bodies keeps the last and tells nothing, so the text itself is asked: in an object, the name of a field
stands once more than in the values of its fields. Counting bytes costs next to nothing beside reading them.
"""

from __future__ import annotations

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


def refuse_duplicates(data: bytes, path: str = "") -> None:
    """Refuses a field that is given twice; a name that is written in two ways, once with escapes, is not seen.

    Args:
        data: valid JSON, without blanks before it.
        path: where in the body it stands; empty for the whole.

    Raises:
        InvalidInputError: names the field.
    """
    if data.startswith(b"{"):
        _check_object(data, path)
    elif data.startswith(b"[") and data[1:64].lstrip().startswith(b"{"):
        for index, item in enumerate(_LIST.decode(data)):
            refuse_duplicates(bytes(item), f"{path}[{index}]")


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
            refuse_duplicates(inner, _joined(path, name))


def _joined(path: str, name: str) -> str:
    return f"{path}.{name[:MAX_NAME]}" if path else name[:MAX_NAME]
