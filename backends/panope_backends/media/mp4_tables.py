"""How large the tables of an MP4 or MOV file become, told from its bytes before FFmpeg makes them.

A header says in a few bytes that a track has a hundred million samples of one size, or a fragment as many of the usual
size, or that all of them are shown a thousand times over, and FFmpeg makes a table of them all while it opens the file.

Boxes are looked for by their names, wherever they are: which of them FFmpeg comes to depends on more than is told here.
What looks like one by chance counts only within what looks like a track.
"""

from __future__ import annotations

from collections.abc import Iterator

from panope_backends.errors import InvalidInputError

MAX_SAMPLES = 4_000_000
"""Of all tracks, as far as the file has no byte for each: an hour of the shortest packets of Opus has fewer."""

_MAX_BOXES = 100_000
"""Of one name; a file of fragments has some hundreds."""

#: Parts of a track that are shown: the beginning is left out in one, and the rest shown by another.
_USUAL_EDITS = 2

#: FFmpeg puts so many samples of raw audio together, about.
_RAW_TOGETHER = 512

_COMPRESSED = (b"cmvd", b"dcom", b"zlib")


def refuse_endless_tables(data: bytes, field: str) -> None:
    """Refuses a file whose tables would be out of all proportion to its bytes.

    Args:
        data: the file's bytes.
        field: of the request that holds it.

    Raises:
        InvalidInputError: it is one, or has a compressed header, which hides its tables.
    """
    if all(mark in data for mark in _COMPRESSED):
        raise InvalidInputError.at(field, "{field} has a compressed header, which is not read")
    if any(data.count(name) > _MAX_BOXES for name in (b"trak", b"traf", b"stsz", b"trun", b"elst", b"stsc")):
        raise InvalidInputError.at(field, "{field} has more than {limit:,} boxes of one kind", limit=_MAX_BOXES)
    samples = _samples(data)
    if samples > max(MAX_SAMPLES, len(data)):
        raise InvalidInputError.at(
            field,
            "{field} is damaged or cut: it tells of {samples:,} samples, and has not so many bytes",
            samples=samples,
        )
    edits = max((_number(data, at) for at in _tables(data, b"elst", b"trak")), default=0)
    shown = samples * edits if edits > _USUAL_EDITS else 0
    if max(shown, _raw_samples(data) // _RAW_TOGETHER) > MAX_SAMPLES:
        raise InvalidInputError.at(
            field, "{field} shows the same samples again and again; {limit:,} of them are read", limit=MAX_SAMPLES
        )


def _samples(data: bytes) -> int:
    """Of tracks whose samples have one size or each its own, and of fragments."""
    sized = sum(_number(data, at + 4) * max(1, _number(data, at)) for at in _tables(data, b"stsz", b"trak"))
    small = sum(_number(data, at + 4) for at in _tables(data, b"stz2", b"trak"))
    return sized + small + sum(_number(data, at) for at in _tables(data, b"trun", b"traf"))


def _raw_samples(data: bytes) -> int:
    """The most that chunks of raw audio may have, whose samples are told by chunk."""
    chunks = sum(_number(data, at) for name in (b"stco", b"co64") for at in _tables(data, name, b"trak"))
    longest = 0
    for at in _tables(data, b"stsc", b"trak"):
        entries = min(_number(data, at), (len(data) - at) // 12)
        longest = max(longest, *(_number(data, at + 8 + 12 * entry) for entry in range(entries)), 0)
    return longest * chunks


def _tables(data: bytes, name: bytes, within: bytes) -> Iterator[int]:
    """Where what follows version and flags begins, of each box of a name that lies in one of another name."""
    around = _boxes(data, within)
    following, end = next(around, None), 0
    for at, start, _ in _boxes(data, name):
        while following is not None and following[0] < at:
            end, following = max(end, following[2]), next(around, None)
        if at < end:
            yield start + 4


def _boxes(data: bytes, name: bytes) -> Iterator[tuple[int, int, int]]:
    """Where each box begins, where what it holds does, and where it ends."""
    at = data.find(name, 4)
    while at >= 0:
        size, start = _number(data, at - 4), at + 4
        if size == 1:  # a longer number follows
            size, start = int.from_bytes(data[at + 4 : at + 12], "big"), at + 12
        if size == 0:  # up to the end of what it is in
            size = len(data)
        yield at - 4, start, min(len(data), at - 4 + size)
        at = data.find(name, at + 1)


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")
