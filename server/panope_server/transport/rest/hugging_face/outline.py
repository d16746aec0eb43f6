"""What a body of the Inference API is like before it is known which kind it is: its paths are shared by all."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from msgspec import Raw

_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_NONE = Raw()


@dataclass(frozen=True)
class Outline:
    """The names that a body has; what is wrong with it is told when it is read as what it is taken for.

    Attributes:
        fields: of the body.
        parameters: the fields of `parameters`.
        model: empty where the body names none.
        inputs: the first character of `inputs`, which tells a text, a list and an object apart; empty for none.
        input_fields: the fields of `inputs`, where they are an object.
    """

    fields: frozenset[str] = frozenset()
    parameters: frozenset[str] = frozenset()
    model: str = ""
    inputs: str = ""
    input_fields: frozenset[str] = frozenset()


def outline_of(data: bytes) -> Outline:
    """The outline of a body; an empty one of what is no JSON object."""
    try:
        fields = _FIELDS.decode(data)
        parameters = fields.get("parameters", _NONE)
        model, inputs = fields.get("model", _NONE), fields.get("inputs", _NONE)
        return Outline(
            frozenset(fields),
            _names(parameters),
            msgspec.json.decode(model, type=str) if _first(model) == '"' else "",
            _first(inputs),
            _names(inputs),
        )
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Outline()


def _names(raw: Raw) -> frozenset[str]:
    """The fields of an object; none of what is no object."""
    return frozenset(_FIELDS.decode(raw)) if _first(raw) == "{" else frozenset()


def _first(raw: Raw) -> str:
    return bytes(memoryview(raw)[:1]).decode("latin-1")  # a copy of the whole may be one of megabytes
