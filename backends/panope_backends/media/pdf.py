"""Pages of PDF files that callers sent, by PDFium: their number, how they look, and the text that they hold themselves.

PDFium may be used by one thread at a time, also to free what it made. So each function opens the file anew, under one
lock, and leaves nothing behind; opening costs about a millisecond, for a file's pages are read when they are asked for.
"""

from __future__ import annotations

import ctypes
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from PIL import Image

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.media.images import check_size
from panope_backends.media.limits import MediaLimits

MAX_CHARACTERS = 200_000
"""Of the text of one page; more than any page that somebody reads."""

_START = b"%PDF-"
#: PDFium looks for it so far into a file.
_START_WITHIN = 1024

#: PDF's own unit is a 72nd of an inch.
_POINTS = 72.0

_LOCK = threading.Lock()

#: PDFium's errors of files that are encrypted, and the key that such a file has.
_OF_PASSWORDS, _ENCRYPTED = (4, 5), b"/Encrypt"


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


def is_pdf(data: bytes) -> bool:
    """Whether a file is one, told by its content."""
    return _START in data[:_START_WITHIN]


def page_count(data: bytes, field: str) -> int:
    """The number of pages, at least 1.

    Args:
        data: the file.
        field: of the request that is the document; its `content` holds the file.

    Raises:
        InvalidInputError: it is no PDF file, broken, encrypted or without pages.
        PreconditionError: PDFium is not installed.
    """
    with _opened(data, field) as document:
        count = len(document)
    if not count:
        raise InvalidInputError.at(f"{field}.content", "{field} has no pages")
    return count


def draw_page(data: bytes, index: int, dpi: int, field: str, limits: MediaLimits) -> Image.Image:
    """A page as an image in RGB.

    Args:
        data: the file.
        index: of the page, from 0.
        dpi: pixels of an inch.
        field: of the request that is the document.
        limits: that an image of the page must keep; looked at before anything is drawn.

    Raises:
        InvalidInputError: the page is broken or too large.
    """
    with _opened(data, field) as document, _page(document, index, field) as page:
        check_size(_pixels(page, dpi), _page_field(field, index), limits)
        bitmap = page.render(scale=dpi / _POINTS)
        try:
            image: Image.Image = bitmap.to_pil().convert("RGB")
        finally:
            bitmap.close()
    return image


def size_of_page(data: bytes, index: int, dpi: int, field: str) -> tuple[int, int]:
    """The width and height that a page has when it is drawn."""
    with _opened(data, field) as document, _page(document, index, field) as page:
        return _pixels(page, dpi)


def text_of_page(data: bytes, index: int, dpi: int, field: str) -> list[LaidLine]:
    """The text that a page holds itself, in the order of the file; empty for one that is an image.

    Args:
        data: the file.
        index: of the page, from 0.
        dpi: of the pixels that places are told in.
        field: of the request that is the document.

    Raises:
        InvalidInputError: the page is broken, or has more than `MAX_CHARACTERS`.
    """
    with _opened(data, field) as document, _page(document, index, field) as page:
        text = page.get_textpage()
        try:
            count = text.count_chars()
            if count > MAX_CHARACTERS:
                raise InvalidInputError.at(
                    _page_field(field, index),
                    "{field} has {count:,} characters; the limit is {limit:,}",
                    count=count,
                    limit=MAX_CHARACTERS,
                )
            return _lines(page, text, count, _pixels(page, dpi))
        finally:
            text.close()


@contextmanager
def _opened(data: bytes, field: str) -> Iterator[Any]:
    if not is_pdf(data):
        raise InvalidInputError.at(f"{field}.content", "{field} is no PDF file")
    try:
        import pypdfium2
    except ModuleNotFoundError:
        raise PreconditionError(
            "the package `pypdfium2` is not installed: pip install 'panope-serving[pdf]'", reason="not_installed"
        ) from None
    with _LOCK:
        try:
            document = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError as error:
            # PDFium tells of the last error that it had, which may be another file's.
            is_encrypted = getattr(error, "err_code", 0) in _OF_PASSWORDS and _ENCRYPTED in data
            raise _refusal(field, is_encrypted=is_encrypted) from None
        try:
            yield document
        finally:
            document.close()


@contextmanager
def _page(document: Any, index: int, field: str) -> Iterator[Any]:
    import pypdfium2

    try:
        page = document[index]
    except (pypdfium2.PdfiumError, IndexError):
        raise InvalidInputError.at(_page_field(field, index), "{field} is broken") from None
    try:
        yield page
    except pypdfium2.PdfiumError:
        raise InvalidInputError.at(_page_field(field, index), "{field} is broken") from None
    finally:
        page.close()


def _page_field(field: str, index: int) -> str:
    return f"{field}.content.pages[{index}]"


def _pixels(page: Any, dpi: int) -> tuple[int, int]:
    width, height = (math.ceil(side * dpi / _POINTS) for side in page.get_size())
    return width, height


def _refusal(field: str, *, is_encrypted: bool) -> InvalidInputError:
    if is_encrypted:
        return InvalidInputError.at(
            f"{field}.content", "{field} is encrypted; send a file that opens without a password"
        )
    return InvalidInputError.at(f"{field}.content", "{field} is a PDF file that is truncated or broken")


def _lines(page: Any, text: Any, count: int, pixels: tuple[int, int]) -> list[LaidLine]:
    lines: list[LaidLine] = []
    start = 0
    characters = [_character(text, at) for at in range(count)]
    for at in range(count + 1):
        if at == count or characters[at] in "\r\n":
            words = _words(page, text, characters, range(start, at), pixels)
            if words:
                whole = "".join(characters[start:at]).strip()
                lines.append(LaidLine(LaidText(whole, _around([word.corners for word in words])), tuple(words)))
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
