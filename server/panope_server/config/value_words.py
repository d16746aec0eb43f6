"""What a value may be, in words, from msgspec's view of a type: for the documentation and for messages of errors.

A type whose own form says little, such as a pattern, carries its words: `Meta(extra={WORDS: "…"})`.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import NODEFAULT, UnsetType, inspect

#: The key of `Meta.extra` under which a type carries its words.
WORDS = "words"

#: Types that say no more than their name.
_PLAIN: dict[type[inspect.Type], str] = {
    inspect.BoolType: "`true` or `false`",
    inspect.RawType: "JSON",
    inspect.AnyType: "JSON",
    inspect.BytesType: "base64",
    inspect.DictType: "a JSON object",
}


def words(kind: inspect.Type) -> str:
    """What a value of a type may be, such as `integer ≥ 1`."""
    match kind:
        case inspect.Metadata(type=inner, extra=extra):
            return str(extra[WORDS]) if extra and WORDS in extra else words(inner)
        case inspect.IntType() | inspect.FloatType():
            name = "integer" if isinstance(kind, inspect.IntType) else "number"
            return f"{name}{_bounds(kind)}"
        case inspect.StrType():
            return _text(kind)
        case inspect.LiteralType(values=values):
            return _either([f"`{value}`" for value in values])
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return f"list of {words(item)}"
        case inspect.StructType(cls=struct):
            return struct.__name__
        case inspect.UnionType(types=types):
            kinds = [member for member in types if not isinstance(member, inspect.NoneType)]
            return _either(list(dict.fromkeys(words(member) for member in kinds)))
        case _:
            return _PLAIN[type(kind)]


def default_words(default: Any) -> str:
    """A default as TOML and JSON write it; empty for none."""
    if default is NODEFAULT or isinstance(default, UnsetType) or default in (None, "", (), []):
        return ""
    match default:
        case bool():
            return f"`{str(default).lower()}`"
        case str():
            return f'`"{default}"`'
        case int() if default >= 1 << 20 and default % (1 << 20) == 0:
            return f"`{default}` ({default >> 20} MiB)"
        case _:
            return f"`{default}`"


def _text(kind: inspect.StrType) -> str:
    if kind.pattern is None:
        return "non-empty text" if kind.min_length else "text"
    choice = re.fullmatch(r"\^\(([\w|]+)\)\\Z", kind.pattern)
    if choice is None:
        return f"text that matches `{kind.pattern}`"
    return _either([f"`{value}`" for value in choice[1].split("|")])


def _either(choices: list[str]) -> str:
    """`a`, `b` or `c`."""
    *most, final = choices
    return f"{', '.join(most)} or {final}" if most else final


def _bounds(kind: inspect.IntType | inspect.FloatType) -> str:
    if kind.ge is not None and kind.le is not None:
        return f", {kind.ge} to {kind.le}"
    signs = {"≥": kind.ge, ">": kind.gt, "≤": kind.le, "<": kind.lt}
    return "".join(f" {sign} {bound}" for sign, bound in signs.items() if bound is not None)
