"""Reads PDF files, as a program: `python -m panope_backends.programs.read_pdf`.

Its requests and answers are those of `media/pdf/messages.py`; it ends with its input.

A PDF file is a program of its author, and PDFium sets it no bounds: a form that draws itself takes all memory, forms
that draw each other ten times take hours, and what PDFium cannot have the memory for aborts. So it runs here, where the
kernel ends it after so many seconds of processor time, and where memory and addresses are limited.
"""

from __future__ import annotations

from functools import partial

import msgspec

from panope_backends.errors import InvalidInputError
from panope_backends.media.pdf.file import PdfFile
from panope_backends.media.pdf.messages import Answer, Opened, OpenFile, ReadPage, Refused, Request
from panope_backends.programs.limited import serve, within


class Program:
    """Holds the file that was opened last."""

    def __init__(self) -> None:
        self._file: PdfFile | None = None
        self._requests = msgspec.msgpack.Decoder(Request)

    def answer(self, data: bytes) -> bytes:
        """The answer to one request."""
        request: Request = self._requests.decode(data)
        return within(request.seconds, partial(self._encoded, request))

    def _encoded(self, request: Request) -> bytes:
        try:
            return msgspec.msgpack.encode(self._answer(request))
        except InvalidInputError as error:
            return msgspec.msgpack.encode(Refused.of(error))

    def _answer(self, request: Request) -> Answer:
        if isinstance(request, ReadPage):
            assert self._file is not None  # it was opened before
            return self._file.read(request)
        return self._open(request)

    def _open(self, request: OpenFile) -> Opened:
        if self._file is not None:
            self._file.close()
            self._file = None
        self._file = PdfFile(request.data, request.field)
        return Opened(self._file.page_count)


if __name__ == "__main__":
    serve(Program().answer, limits_addresses=True)
