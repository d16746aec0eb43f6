"""One PDF file, opened by PDFium: run in a program of its own, for a file decides what opening and drawing it take."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from panope_backends.errors import InvalidInputError
from panope_backends.media.image_size import check_size
from panope_backends.media.pdf.messages import DrawnPage, LaidPage, ReadPage
from panope_backends.media.pdf.text_layer import laid_lines

#: PDF's own unit is a 72nd of an inch.
_POINTS = 72.0

#: PDFium's errors of files that are encrypted, and the key that such a file has.
_OF_PASSWORDS, _ENCRYPTED = (4, 5), b"/Encrypt"


class PdfFile:
    """A file whose pages are read one after another, by one thread.

    Args:
        data: of the file.
        field: of the request that is its content.

    Raises:
        InvalidInputError: it is broken, encrypted or without pages.
    """

    def __init__(self, data: bytes, field: str) -> None:
        import pypdfium2

        self._field = field
        try:
            self._document = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError as error:
            # PDFium tells of the last error that it had, which may be another file's.
            is_encrypted = getattr(error, "err_code", 0) in _OF_PASSWORDS and _ENCRYPTED in data
            raise _refusal(field, is_encrypted=is_encrypted) from None
        self.page_count = len(self._document)
        if not self.page_count:
            self.close()
            raise InvalidInputError.at(field, "{field} has no pages")

    def read(self, asked: ReadPage) -> LaidPage | DrawnPage:
        """The text of a page, where it holds some and is asked for it; else the page as an image.

        Raises:
            InvalidInputError: the page is broken or too large, or has too much text.
        """
        field = page_field(self._field, asked.index)
        with self._page(asked.index, field) as page:
            pixels = _pixels(page, asked.dpi, field)
            check_size(pixels, field, asked.max_pixels)
            lines = laid_lines(page, pixels, field) if asked.text_layer else []
            return LaidPage(*pixels, lines) if lines else _drawn(page, asked.dpi)

    def close(self) -> None:
        """Frees its memory."""
        self._document.close()

    @contextmanager
    def _page(self, index: int, field: str) -> Iterator[Any]:
        import pypdfium2

        try:
            page = self._document[index]
        except (pypdfium2.PdfiumError, IndexError):
            raise _broken(field) from None
        try:
            yield page
        except pypdfium2.PdfiumError:
            raise _broken(field) from None
        finally:
            page.close()


def page_field(field: str, index: int) -> str:
    """Of a page of a file."""
    return f"{field}.pages[{index}]"


def _drawn(page: Any, dpi: int) -> DrawnPage:
    bitmap = page.render(scale=dpi / _POINTS, rev_byteorder=True)
    # What is drawn is bytes of memory that goes with the bitmap.
    return DrawnPage(bitmap.width, bitmap.height, bitmap.stride, memoryview(bitmap.buffer).cast("B"))


def _pixels(page: Any, dpi: int, field: str) -> tuple[int, int]:
    sides = [side * dpi / _POINTS for side in page.get_size()]
    if not all(map(math.isfinite, sides)):
        raise _broken(field)
    width, height = map(math.ceil, sides)
    return width, height


def _broken(field: str) -> InvalidInputError:
    return InvalidInputError.at(field, "{field} is broken")


def _refusal(field: str, *, is_encrypted: bool) -> InvalidInputError:
    if is_encrypted:
        return InvalidInputError.at(field, "{field} is encrypted; send a file that opens without a password")
    return InvalidInputError.at(field, "{field} is a PDF file that is truncated or broken")
