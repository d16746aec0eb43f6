"""The pages of a document, drawn when those before them are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from panope.worker.v1 import ocr_pb2 as messages
from panope_backends.errors import InvalidInputError
from panope_backends.graphs.ocr_description import TextDetector
from panope_backends.media.data_urls import read_data_url, too_long
from panope_backends.media.pdf.file import page_field
from panope_backends.media.pdf.reader import PageImage, PdfReader
from panope_backends.media.pdf.text_layer import LaidLine, LaidText
from panope_backends.tasks.ocr.job import NumberedPage
from panope_backends.tasks.ocr.page import Corners, angle_of, page_of

_CONTENT = "document.content"

#: Pages that are drawn and looked for lines together.
PAGES_AT_ONCE = 2


class PdfPages:
    """Those pages of a PDF file that a request asks for.

    Args:
        document: of the message.
        reader: of PDF files.
        detector: that drawn pages are read by.
        words: whether the words of a page's own text are told.

    Raises:
        InvalidInputError: the file is not one, or too long.
    """

    def __init__(
        self, document: messages.OcrDocument, reader: PdfReader, detector: TextDetector, *, words: bool
    ) -> None:
        self._limits = reader.limits
        self._document = reader.open(_content(document, reader.limits.max_document_bytes), _CONTENT)
        self._ranges = list(document.ranges)
        self._dpi, self._text_layer = document.dpi, document.text_layer
        self._detector, self._words = detector, words

    def __iter__(self) -> Iterator[Sequence[NumberedPage]]:
        """Some at a time; raises InvalidInputError for pages that are not there, and one that cannot be drawn."""
        numbers = _numbers(self._ranges, self._document.page_count(), self._limits.max_pages)
        for begin in range(0, len(numbers), PAGES_AT_ONCE):
            yield [self._page(number) for number in numbers[begin : begin + PAGES_AT_ONCE]]

    def close(self) -> None:
        """Ends what reads it; called from any thread."""
        self._document.close()

    def _page(self, number: int) -> NumberedPage:
        field = page_field(_CONTENT, number - 1)
        page = self._document.page(number - 1, self._dpi, text_layer=self._text_layer)
        if isinstance(page, PageImage):
            return NumberedPage(page_of(page.pixels, self._detector), field, number)
        told = [_line_message(line, words=self._words) for line in page.lines]
        made = messages.OcrPage(number=number, width=page.width, height=page.height, lines=told, is_text_layer=True)
        return NumberedPage(None, field, number, made)


def _content(document: messages.OcrDocument, most: int) -> bytes:
    if document.WhichOneof("source") == "data_url":
        return read_data_url(document.data_url, _CONTENT, most)
    if len(document.content) > most:
        raise too_long(_CONTENT, len(document.content), most)
    return document.content


def _numbers(ranges: list[int], count: int, most: int) -> list[int]:
    if not ranges:
        ranges = [1, 0]
    found: list[int] = []
    for first, last in zip(ranges[::2], ranges[1::2], strict=True):
        if max(first, last) > count:
            raise InvalidInputError.at(
                "document.pages",
                "{field} names page {page:,}; the document has {count:,}",
                page=max(first, last),
                count=count,
            )
        found += range(first, (last or count) + 1)
        if len(found) > most:
            raise InvalidInputError.at(
                "document.pages",
                "{field} asks for more than {limit:,} pages of {count:,}; name fewer",
                limit=most,
                count=count,
            )
    return found


def _line_message(line: LaidLine, *, words: bool) -> messages.OcrLine:
    corners = _array(line.whole)
    told = [messages.OcrWord(text=word.text, score=1, corners=_array(word).ravel().tolist()) for word in line.words]
    return messages.OcrLine(
        text=line.whole.text,
        score=1,
        corners=corners.ravel().tolist(),
        angle=angle_of(corners),
        words=told if words else (),
    )


def _array(text: LaidText) -> Corners:
    return np.array(text.corners, np.float32)
