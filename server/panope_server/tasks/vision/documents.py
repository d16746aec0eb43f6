"""Documents: PDF files whose pages are drawn. Workers alone open them."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from panope.worker.v1 import ocr_pb2 as messages
from panope_backends.errors import InvalidInputError
from panope_server.config import MediaLimits
from panope_server.tasks.vision.images import Image

MIN_DPI, MAX_DPI, DEFAULT_DPI = 36, 600, 150

_MAX_PAGE = 1 << 20
_MAX_RANGES = 1000
_RANGE = re.compile(r"(?P<first>\d{1,7})(?P<through>-(?P<last>\d{1,7})?)?", re.ASCII)

_START, _START_WITHIN = b"%PDF-", 1024

#: Bytes that a page of a file has, about, where nobody knows its pages.
_BYTES_OF_PAGE = 50_000


@dataclass(slots=True, frozen=True)
class Document:
    """A PDF file, and which of its pages are read.

    Attributes:
        file: as its caller sent it.
        pages: such as `1-3,7`; empty for all.
        dpi: pixels of an inch; None for the default.
        text_layer: whether a page that holds text itself is told by it.
    """

    file: Image
    pages: str = ""
    dpi: int | None = None
    text_layer: bool = False

    @property
    def page_count(self) -> int:
        """How many pages are read, about."""
        ranges = page_ranges(self.pages)
        if ranges and ranges[-1][1]:
            return sum(last - first + 1 for first, last in ranges)
        return 1 + self.file.size_bytes // _BYTES_OF_PAGE


def holds_pdf(file: Image) -> bool:
    """Whether a file that its caller sent is a PDF file, told by its first bytes."""
    if file.content:
        return _START in file.content[:_START_WITHIN]
    begin = file.data_url.find(",") + 1
    head = file.data_url[begin : begin + _START_WITHIN // 3 * 4]
    try:
        return _START in base64.b64decode(head[: len(head) // 4 * 4])
    except (binascii.Error, ValueError):
        return False  # a worker says what is wrong


def page_ranges(pages: str) -> list[tuple[int, int]]:
    """The first and the last page of each range, from 1; 0 for the document's last; none for all pages.

    Raises:
        InvalidInputError: the text is no such list, or its pages do not ascend.
    """
    found: list[tuple[int, int]] = []
    before = 0
    for part in pages.split(",", _MAX_RANGES) if pages else ():
        matched = _RANGE.fullmatch(part.strip())
        if matched is None or len(found) == _MAX_RANGES:
            raise InvalidInputError.at("document.pages", "{field} must be a list of pages, such as `1-3,7`")
        first = int(matched["first"])
        last = first if matched["through"] is None else int(matched["last"] or 0)
        if not before < first <= _MAX_PAGE or (last and not first <= last <= _MAX_PAGE):
            raise InvalidInputError.at("document.pages", "{field} must name pages from 1 on, in ascending order")
        before = last or _MAX_PAGE
        found.append((first, last))
    return found


def check_document(document: Document, limits: MediaLimits) -> None:
    """Refuses what the server sees of a document that cannot be read; what it holds, the worker sees."""
    size = document.file.size_bytes
    if not size and not document.file.url:
        raise InvalidInputError.at("document.content", "{field} is empty")
    if size > limits.max_document_bytes + 3:  # base64 may have told of two too many
        raise InvalidInputError.at(
            "document.content",
            "{field} has {size:,} bytes; the limit is {limit:,}",
            size=size,
            limit=limits.max_document_bytes,
        )
    if document.dpi is not None and not MIN_DPI <= document.dpi <= MAX_DPI:
        raise InvalidInputError.at("document.dpi", "{field} must be {least} to {most}", least=MIN_DPI, most=MAX_DPI)
    ranges = page_ranges(document.pages)
    asked = sum(last - first + 1 for first, last in ranges if last)
    if asked > limits.max_pages:
        raise InvalidInputError.at(
            "document.pages", "{field} has {count:,} pages; the limit is {limit:,}", count=asked, limit=limits.max_pages
        )


def document_message(document: Document) -> messages.OcrDocument:
    """A document as workers take it."""
    message = messages.OcrDocument(
        ranges=[page for each in page_ranges(document.pages) for page in each],
        dpi=document.dpi or DEFAULT_DPI,
        text_layer=document.text_layer,
    )
    if document.file.content:
        message.content = document.file.content
    else:
        message.data_url = document.file.data_url
    return message
