"""Walks protobuf's wire form where it lies, and reads no more of it than is asked for."""

from __future__ import annotations

from collections.abc import Iterator

from panope_registry.inspect.documents import broken
from panope_registry.inspect.file_bytes import Indexed

MAX_FIELDS = 1 << 21
MAX_TEXT_BYTES = 2048

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

Field = tuple[int, int, int, int]
"""Field number, wire type, and a number or the first byte and the byte after the last."""


class Walker:
    """One file's messages; all fields together are bounded.

    Args:
        path: of the file, for messages.
        what: the file is, with its article, for messages.
    """

    def __init__(self, data: Indexed, path: str, what: str) -> None:
        self._data = data
        self._path = path
        self._what = what
        self._budget = MAX_FIELDS

    def top_level(self) -> Iterator[Field]:
        """Returns the fields of the outermost message."""
        return self.fields(0, len(self._data))

    def fields(self, position: int, stop: int) -> Iterator[Field]:
        """Yields the fields of the message in these bytes."""
        while position < stop:
            self._budget -= 1
            if self._budget < 0:
                raise broken(self._path, f"it has more than {MAX_FIELDS} fields")
            key, position = self._varint(position, stop)
            wire = key & 7
            if wire == VARINT:
                value, position = self._varint(position, stop)
                yield key >> 3, wire, value, 0
                continue
            length, position = self._length(wire, position, stop)
            if position + length > stop:
                raise broken(self._path, f"it is truncated or not {self._what}")
            yield key >> 3, wire, position, position + length
            position += length

    def text(self, begin: int, end: int) -> str:
        """Returns the text in these bytes, of its beginning what is no longer than texts are."""
        return self._data.part(begin, min(end, begin + MAX_TEXT_BYTES)).decode(errors="replace")

    def packed(self, position: int, stop: int, limit: int) -> list[int]:
        """Numbers one after another; of more than `limit` the first ones."""
        values: list[int] = []
        while position < stop and len(values) <= limit:
            value, position = self._varint(position, stop)
            values.append(value)
        return values

    def _length(self, wire: int, position: int, stop: int) -> tuple[int, int]:
        if wire == BYTES:
            return self._varint(position, stop)
        if wire in (FIXED64, FIXED32):
            return (8 if wire == FIXED64 else 4), position
        raise broken(self._path, f"it is not {self._what}")

    def _varint(self, position: int, stop: int) -> tuple[int, int]:
        value = shift = 0
        while position < stop and shift < 64:
            byte = self._data.at(position)
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, position
            shift += 7
        raise broken(self._path, f"it is truncated or not {self._what}")
