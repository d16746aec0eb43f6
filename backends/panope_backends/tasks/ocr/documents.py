"""The pages of a document, drawn when those before them are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from panope.worker.v1 import ocr_pb2 as messages
from panope_backends.errors import InvalidInputError
from panope_backends.graphs.ocr_description import TextDetector
from panope_backends.media.data_urls import read_data_url, too_long
from panope_backends.media.limits import MediaLimits
from panope_backends.media.pdf import LaidLine, LaidText, draw_page, page_count, size_of_page, text_of_page
from panope_backends.tasks.ocr.job import NumberedPage
from panope_backends.tasks.ocr.page import Corners, angle_of, page_of

FIELD = "document"
_CONTENT = "document.content"

#: Pages that are drawn and looked for lines together.
PAGES_AT_ONCE = 2


class PdfPages:
    """Those pages of a PDF file that a request asks for.

    Args:
        document: of the message.
        limits: that it must keep.
        detector: that drawn pages are read by.
        words: whether the words of a page's own text are told.

    Raises:
        InvalidInputError: the file is not read, or has not these pages.
    """

    def __init__(
        self, document: messages.OcrDocument, limits: MediaLimits, detector: TextDetector, *, words: bool
    ) -> None:
        self._data = _content(document, limits)
        self._dpi, self._text_layer = document.dpi, document.text_layer
        self._limits, self._detector, self._words = limits, detector, words
        self._numbers = _numbers(list(document.ranges), page_count(self._data, FIELD), limits.max_pages)

    def __iter__(self) -> Iterator[Sequence[NumberedPage]]:
        """Some at a time; raises InvalidInputError for a page that cannot be drawn."""
        for begin in range(0, len(self._numbers), PAGES_AT_ONCE):
            yield [self._page(number) for number in self._numbers[begin : begin + PAGES_AT_ONCE]]

    def _page(self, number: int) -> NumberedPage:
        index = number - 1
        if self._text_layer and (lines := text_of_page(self._data, index, self._dpi, FIELD)):
            width, height = size_of_page(self._data, index, self._dpi, FIELD)
            told = [_line_message(line, words=self._words) for line in lines]
            made = messages.OcrPage(number=number, width=width, height=height, lines=told, is_text_layer=True)
            return NumberedPage(None, FIELD, number, made)
        image = draw_page(self._data, index, self._dpi, FIELD, self._limits)
        return NumberedPage(page_of(image, self._detector), f"{_CONTENT}.pages[{index}]", number)


def _content(document: messages.OcrDocument, limits: MediaLimits) -> bytes:
    if document.WhichOneof("source") == "data_url":
        return read_data_url(document.data_url, _CONTENT, limits.max_document_bytes)
    if len(document.content) > limits.max_document_bytes:
        raise too_long(_CONTENT, len(document.content), limits.max_document_bytes)
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
