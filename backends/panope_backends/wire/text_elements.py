"""Texts as elements of tensors (`BYTES`): each as its length, four bytes little-endian, and its bytes.

It is the form of Triton and of KServe's protocol. In NumPy such a tensor is an array of `object`, of `bytes`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

DTYPE = "object"
"""NumPy's name for the type of such arrays."""

LENGTH_BYTES = 4
_LENGTH = struct.Struct("<I")


class ElementsError(ValueError):
    """Bytes that are no texts; the message says what is wrong."""


def encode_elements(elements: Iterable[bytes]) -> bytes:
    """The bytes of texts, one after another."""
    return b"".join(_LENGTH.pack(len(element)) + element for element in elements)


def decode_elements(data: bytes, count: int) -> list[bytes]:
    """The texts.

    Args:
        data: of all of them, and nothing more.
        count: how many there should be.

    Raises:
        ElementsError: there are others.
    """
    return [data[begin:end] for begin, end in _spans(data, count)]


def _spans(data: bytes, count: int) -> Iterator[tuple[int, int]]:
    if count * LENGTH_BYTES > len(data):
        raise ElementsError(f"{len(data):,} bytes hold no {count:,} texts, each with its length in 4 bytes before it")
    begin = 0
    for index in range(count):
        if begin + LENGTH_BYTES > len(data):
            raise ElementsError(f"the bytes end before text {index}")
        begin, end = begin + LENGTH_BYTES, begin + LENGTH_BYTES + _LENGTH.unpack_from(data, begin)[0]
        if end > len(data):
            raise ElementsError(f"text {index} should have {end - begin:,} bytes, and {len(data) - begin:,} are left")
        yield begin, end
        begin = end
    if begin != len(data):
        raise ElementsError(f"{len(data) - begin:,} bytes follow the last of {count:,} texts")
