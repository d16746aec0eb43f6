"""What happens to fields and query parameters that nobody reads: they are refused, or ignored and told by name."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, inspect

from panope_backends.errors import InvalidInputError
from panope_server.transport.interceptors.answer_headers import headers_of
from panope_server.transport.interceptors.context import Context

#: Tells the names of what was ignored.
IGNORED = "x-panope-ignored-fields"

MAX_NAME = 64
_MOST_NAMES = 32

_OBJECT = msgspec.json.Decoder(dict[str, Raw])


class UnknownFields:
    """What one call brought that nobody reads.

    Args:
        report: whether to go on without it, instead of refusing the call.
    """

    def __init__(self, *, report: bool) -> None:
        self._report = report
        self._names: list[str] = []

    def add(self, name: str, refusal: InvalidInputError) -> None:
        """Notes a name; raises the refusal where nothing may be ignored."""
        if not self._report:
            raise refusal
        self._names.append(name)

    def without(self, data: bytes, schema: Any, refusal: InvalidInputError) -> bytes:
        """A JSON object without the fields that its schema, a Struct, does not have; they are noted.

        Raises:
            InvalidInputError: the refusal, where nothing may be ignored.
        """
        if not self._report:
            raise refusal
        return self._known(data, _struct_of(inspect.type_info(schema)), "")

    def tell(self, context: Context) -> None:
        """Says in a header of the answer what was ignored; called when nothing can go wrong any more."""
        if self._names:
            shown = list(dict.fromkeys(map(_printable, self._names)))
            more = ["..."] if len(shown) > _MOST_NAMES else []
            names = ", ".join([*shown[:_MOST_NAMES], *more])
            headers_of(context)[IGNORED] = names

    def _known(self, data: bytes | Raw, struct: inspect.StructType | None, prefix: str) -> bytes:
        if struct is None or not bytes(data).lstrip().startswith(b"{"):
            return bytes(data)
        fields = {field.encode_name: field.type for field in struct.fields}
        kept = {}
        for name, value in _OBJECT.decode(data).items():
            if name in fields:
                kept[name] = Raw(self._known(value, _struct_of(fields[name]), f"{prefix}{name}."))
            else:
                self._names.append(f"{prefix}{name}")
        return msgspec.json.encode(kept)


def _struct_of(kind: inspect.Type) -> inspect.StructType | None:
    """The object that a value of a type may be."""
    kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    return next((each for each in kinds if isinstance(each, inspect.StructType)), None)


def _printable(name: str) -> str:
    """A name as part of a header: no character there may end it, or the list."""
    return "".join(
        char if char.isascii() and char.isprintable() and char not in ", " else "?" for char in name[:MAX_NAME]
    )
