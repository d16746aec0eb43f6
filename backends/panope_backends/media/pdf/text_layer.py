"""The text that a page of a PDF file holds itself, and where it stands."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

from panope_backends.errors import InvalidInputError

MAX_CHARACTERS = 200_000
"""Of the text of one page; more than any page that somebody reads."""

MAX_LINES = 10_000
"""Of one page."""


@dataclass(frozen=True, slots=True)
class LaidText:
    """A piece of the text that a page holds.

    Attributes:
        text: of it.
        corners: four points, each to the right and downwards, in pixels of the page as it is drawn, from the upper left
            corner of the text on, as the hands of a clock turn.
    """

    text: str
    corners: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class LaidLine:
    """A line of it, with its words."""

    whole: LaidText
    words: tuple[LaidText, ...]


def laid_lines(page: Any, pixels: tuple[int, int], field: str) -> list[LaidLine]:
    """The text of a page in the order of the file; empty for one that is an image.

    Args:
        page: PDFium's.
        pixels: of the page as it is drawn, which places are told in.
        field: of the request that is the page.

    Raises:
        InvalidInputError: it has more than `MAX_CHARACTERS`, or `MAX_LINES`.
    """
    text = page.get_textpage()
    try:
        count = text.count_chars()
        if count > MAX_CHARACTERS:
            raise InvalidInputError.at(
                field, "{field} has {count:,} characters; the limit is {limit:,}", count=count, limit=MAX_CHARACTERS
            )
        return _lines(page, text, count, pixels, field)
    finally:
        text.close()


def _lines(page: Any, text: Any, count: int, pixels: tuple[int, int], field: str) -> list[LaidLine]:
    lines: list[LaidLine] = []
    start = 0
    characters = [_character(text, at) for at in range(count)]
    for at in range(count + 1):
        if at == count or characters[at] in "\r\n":
            words = _words(page, text, characters, range(start, at), pixels)
            if words:
                whole = "".join(characters[start:at]).strip()
                lines.append(LaidLine(LaidText(whole, _around([word.corners for word in words])), tuple(words)))
                if len(lines) > MAX_LINES:
                    raise too_many_lines(field)
            start = at + 1
    return lines


def _words(page: Any, text: Any, characters: list[str], span: range, pixels: tuple[int, int]) -> list[LaidText]:
    words: list[LaidText] = []
    start = span.start
    for at in range(span.start, span.stop + 1):
        if at == span.stop or characters[at].isspace():
            if start < at:
                boxes = [text.get_charbox(place) for place in range(start, at)]
                left, bottom = min(box[0] for box in boxes), min(box[1] for box in boxes)
                right, top = max(box[2] for box in boxes), max(box[3] for box in boxes)
                points = ((left, top), (right, top), (right, bottom), (left, bottom))
                corners = tuple(_drawn(page, point, pixels) for point in points)
                words.append(LaidText("".join(characters[start:at]), corners))
            start = at + 1
    return words


def _character(text: Any, at: int) -> str:
    from pypdfium2 import raw

    code = raw.FPDFText_GetUnicode(text, at)
    # Halves of surrogate pairs and what fonts do not name are no text that can be sent.
    return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"


def _drawn(page: Any, point: tuple[float, float], pixels: tuple[int, int]) -> tuple[float, float]:
    """A point of the page's own axes, which go upwards, as one of what is drawn; turned as the page says."""
    from pypdfium2 import raw

    x, y = ctypes.c_int(), ctypes.c_int()
    # In hundredths, for PDFium tells whole numbers.
    raw.FPDF_PageToDevice(page, 0, 0, pixels[0] * 100, pixels[1] * 100, 0, *point, x, y)
    return x.value / 100, y.value / 100


def _around(all_corners: list[tuple[tuple[float, float], ...]]) -> tuple[tuple[float, float], ...]:
    """The rectangle around those of words, whose first corner is where they begin."""
    first = all_corners[0]
    across = first[1][0] != first[0][0] or first[1][1] == first[0][1]
    points = [point for corners in all_corners for point in corners]
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    top, bottom = min(y for _, y in points), max(y for _, y in points)
    if across:
        forwards, downwards = first[1][0] >= first[0][0], first[3][1] >= first[0][1]
        begin, end = (left, right) if forwards else (right, left)
        upper, lower = (top, bottom) if downwards else (bottom, top)
        return (begin, upper), (end, upper), (end, lower), (begin, lower)
    downwards, leftwards = first[1][1] >= first[0][1], first[3][0] <= first[0][0]
    begin, end = (top, bottom) if downwards else (bottom, top)
    upper, lower = (right, left) if leftwards else (left, right)
    return (upper, begin), (upper, end), (lower, end), (lower, begin)


def too_many_lines(field: str) -> InvalidInputError:
    """The refusal of a page of more lines than `MAX_LINES`."""
    return InvalidInputError.at(
        field, "{field} has more than {limit:,} lines of text, which is the limit of a page", limit=MAX_LINES
    )
