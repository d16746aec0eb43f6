"""Sizes as people write them."""

from __future__ import annotations

import re
from fractions import Fraction

_SIZE = re.compile(r"(?P<number>\d+(\.\d+)?) ?(?P<prefix>[kKMGT])(?P<binary>i?)B?", re.ASCII)
_POWERS = {"k": 1, "K": 1, "M": 2, "G": 3, "T": 4}


def parse_size(size: str | int, name: str) -> int:
    """Bytes, of a number or a text such as `200GB` (of 1000) or `1.5TiB` (of 1024).

    Raises:
        ValueError: it is neither; the message names the setting.
    """
    text = str(size).strip()
    if text.isascii() and text.isdecimal():
        return int(text)
    found = _SIZE.fullmatch(text)
    if not found:
        raise ValueError(f"`{name}` must be a number of bytes, or such as `200GB` or `1.5TiB`")
    unit: int = (1024 if found["binary"] else 1000) ** _POWERS[found["prefix"]]
    return int(Fraction(found["number"]) * unit)
