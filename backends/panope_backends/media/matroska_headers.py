"""How much of a Matroska or WebM file is headers, told from its bytes before FFmpeg keeps them.

FFmpeg makes a structure of some fifty bytes of each element of a header, which may have two, and keeps all of them
while the file is open: an index, chapters, tags. A track takes far more. Frames are in clusters, which it reads one by
one.

The elements of the first level are walked by their lengths, as FFmpeg does. Where that ends in what is none, FFmpeg
looks for the next header by its name, and so does this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from panope_backends.errors import InvalidInputError

MAX_HEADER_BYTES = 4 << 20
"""Of the index, chapters, tags and the rest: an index of a hundred thousand frames has two million."""

MAX_TRACKS = 100
MAX_ATTACHMENTS = 1000

MAX_ELEMENTS = 200_000
"""Of the first level: an hour of video has a cluster for each of some seconds, or at most for each frame."""

_SEGMENT, _CLUSTER, _TRACKS, _ATTACHMENTS = 0x18538067, 0x1F43B675, 0x1654AE6B, 0x1941A469
_HEADERS = frozenset({0x114D9B74, 0x1549A966, 0x1C53BB6B, 0x1043A770, 0x1254C367, _TRACKS})
_FIRST_LEVEL = _HEADERS | {_SEGMENT, _CLUSTER, _ATTACHMENTS}

#: Beside these: what fills up, and a checksum.
_FILLS = frozenset({0xEC, 0xBF})

_LONGEST_ID, _LONGEST_SIZE = 4, 8
_NAMES = re.compile(b"|".join(re.escape(kind.to_bytes(_LONGEST_ID, "big")) for kind in sorted(_FIRST_LEVEL)))


class _Element(NamedTuple):
    """One element: what it is, where its content begins and ends, and whether it leaves open where that is."""

    kind: int
    begin: int
    end: int
    is_open: bool


def refuse_large_headers(data: bytes, field: str) -> None:
    """Refuses a file whose headers would take memory out of all proportion.

    Args:
        data: the file's bytes.
        field: of the request that holds it.

    Raises:
        InvalidInputError: it is one.
    """
    held = tracks = attachments = 0
    for number, element in enumerate(_first_level(data), 1):
        if element.kind in _HEADERS:
            held += element.end - element.begin
        if element.kind == _TRACKS:
            tracks += _children(data, element, MAX_TRACKS + 1)[0]
        if element.kind == _ATTACHMENTS:
            count, rest = _children(data, element, MAX_ATTACHMENTS + 1)
            attachments, held = attachments + count, held + rest
        _require(held, MAX_HEADER_BYTES, "bytes of headers", field)
        _require(tracks, MAX_TRACKS, "tracks", field)
        _require(attachments, MAX_ATTACHMENTS, "attachments", field)
        _require(number, MAX_ELEMENTS, "elements", field)


def _require(found: int, most: int, named: str, field: str) -> None:
    if found > most:
        raise InvalidInputError.at(
            field, "{field} has more than {limit:,} {named}, which is the limit", limit=most, named=named
        )


def _first_level(data: bytes) -> Iterator[_Element]:
    """All elements of all segments, and what is named as one where FFmpeg looks for names."""
    at = 0
    while at < len(data):
        found = _element(data, at, len(data))
        if found is None or (at and found.kind not in _FIRST_LEVEL | _FILLS):
            named = _NAMES.search(data, at + 1)
            at = named.start() if named else len(data)
            continue
        yield found
        # A segment is walked into; so is a cluster that does not say how long it is.
        at = found.begin if found.kind == _SEGMENT or (found.kind == _CLUSTER and found.is_open) else found.end


def _children(data: bytes, parent: _Element, most: int) -> tuple[int, int]:
    """How many elements another holds, counted up to `most`, and the bytes behind them that are none."""
    at, count = parent.begin, 0
    while at < parent.end and count < most:
        found = _element(data, at, parent.end)
        if found is None:
            return count, parent.end - at
        at, count = found.end, count + 1
    return count, 0


def _element(data: bytes, at: int, end: int) -> _Element | None:
    """The one that begins there; None for none. One that says no length, or too long a one, goes to the end."""
    length = _length(data[at : at + 1], _LONGEST_ID)
    size_at = at + length
    size_length = _length(data[size_at : size_at + 1], _LONGEST_SIZE) if length and size_at < end else 0
    begin = size_at + size_length
    if not size_length or begin > end:
        return None
    most = (1 << 7 * size_length) - 1
    size = int.from_bytes(data[size_at:begin], "big") & most
    is_open = size == most
    kind = int.from_bytes(data[at:size_at], "big")
    return _Element(kind, begin, end if is_open else min(end, begin + size), is_open)


def _length(first: bytes, most: int) -> int:
    """How many bytes a number has, by the zeros that its first begins with; 0 where that is too many."""
    length = 9 - first[0].bit_length() if first else 0
    return length if length <= most else 0
