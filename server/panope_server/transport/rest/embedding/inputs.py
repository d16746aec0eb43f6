"""The inputs of embedding bodies: a text, texts, token ids, or lists of token ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta, Raw

from panope_backends.errors import InvalidInputError
from panope_server.transport.rest.json.requests import LARGE_BYTES, decoded

_Id = Annotated[int, Meta(ge=0, le=(1 << 31) - 1)]
_Input = str | list[str | _Id | list[_Id]]

#: What an input may be; a list of one kind alone, which `_Input` cannot say.
INPUTS = (
    Annotated[str, Meta(min_length=1)],
    Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1)],
    Annotated[list[_Id], Meta(min_length=1)],
    Annotated[list[Annotated[list[_Id], Meta(min_length=1)]], Meta(min_length=1)],
)

_INPUT = msgspec.json.Decoder(_Input)
_PARTS = msgspec.json.Decoder(list[Raw])
_PART = msgspec.json.Decoder(list[_Id])


@dataclass(frozen=True)
class Input:
    """What to embed.

    Attributes:
        texts: empty when there are token ids.
        token_sequences: empty when there are texts.
        single: whether the caller gave one text, or one list of ids, by itself.
    """

    texts: list[str]
    token_sequences: list[list[int]]
    single: bool


def read_input(raw: Raw, field: str) -> Input:
    """Reads the input of a body; `field` is its name there."""
    if len(bytes(raw)) > LARGE_BYTES and bytes(raw)[:64].replace(b" ", b"").startswith(b"[["):
        return Input([], _sequences(raw, field), single=False)
    value = decoded(_INPUT, raw, _Input, field)
    if isinstance(value, str):
        return Input([value], [], single=True)
    kinds = {type(item) for item in value}
    if len(kinds) > 1:
        raise InvalidInputError(f"`{field}` mixes texts, ids and lists of ids", field=field)
    if kinds == {int}:
        return Input([], [[item for item in value if isinstance(item, int)]], single=True)
    texts = [item for item in value if isinstance(item, str)]
    return Input(texts, [item for item in value if isinstance(item, list)], single=False)


def _sequences(raw: Raw, field: str) -> list[list[int]]:
    """Lists of ids one by one: decoded as a whole, millions of ids would hold the interpreter for 0.2 s."""
    parts = decoded(_PARTS, raw, list[Raw], field)
    return [decoded(_PART, part, list[_Id], f"{field}[{index}]") for index, part in enumerate(parts)]
