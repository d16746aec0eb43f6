"""PDF files as a worker reads them: their pages come from programs that nothing else runs in."""

from __future__ import annotations

import importlib.util
import threading
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from panope_backends.errors import InternalError, InvalidInputError, PreconditionError
from panope_backends.isolation.limited_process import Ended, LimitedProcess
from panope_backends.media.limits import MediaLimits
from panope_backends.media.pdf.file import page_field
from panope_backends.media.pdf.messages import Answer, DrawnPage, LaidPage, Opened, OpenFile, ReadPage, Refused

PROGRAM = "panope_backends.programs.read_pdf"
"""The program's module; it stands above this one."""

MAX_PROCESSES = 2
"""That read pages at a time, each for one file."""

#: What PDFium takes for ordinary pages several times over; the page that it draws and the file come beside.
_MEMORY_BYTES = 512 << 20
_BYTES_OF_PIXEL, _COPIES_OF_FILE = 8, 3

_START = b"%PDF-"
#: PDFium looks for it so far into a file.
_START_WITHIN = 1024


@dataclass(slots=True)
class PageImage:
    """A page as it looks: height × width × RGB."""

    pixels: NDArray[np.uint8]


class PdfReader:
    """Opens files, and holds the processes that read them. Safe to use from several threads.

    Args:
        limits: that files and pages must keep.
    """

    def __init__(self, limits: MediaLimits) -> None:
        self.limits = limits
        self.memory_bytes = (
            _MEMORY_BYTES + _BYTES_OF_PIXEL * limits.max_image_pixels + _COPIES_OF_FILE * limits.max_document_bytes
        )
        self._changed = threading.Condition()
        self._idle: list[_Process] = []
        self._count = 0

    def open(self, data: bytes, field: str) -> PdfDocument:
        """A file, which is opened when something of it is asked for.

        Args:
            data: of the file.
            field: of the request that is its content.

        Raises:
            InvalidInputError: it is no PDF file.
            PreconditionError: PDFium is not installed.
        """
        if not is_pdf(data):
            raise InvalidInputError.at(field, "{field} is no PDF file")
        if importlib.util.find_spec("pypdfium2") is None:
            raise PreconditionError(
                "the package `pypdfium2` is not installed: pip install 'panope-serving[pdf]'", reason="not_installed"
            )
        return PdfDocument(self, data, field)

    def take(self, document: PdfDocument) -> _Process:
        """A process for one request: the one that has the document open, where it is idle."""
        with self._changed:
            while True:
                for process in self._idle:
                    if process.document is document:
                        self._idle.remove(process)
                        return process
                if self._idle:
                    return self._idle.pop(0)
                if self._count < MAX_PROCESSES:
                    self._count += 1
                    return _Process(LimitedProcess(PROGRAM, self.memory_bytes))
                self._changed.wait()

    def give(self, process: _Process) -> None:
        """Gives a process back."""
        with self._changed:
            self._idle.append(process)
            self._changed.notify()

    def close(self) -> None:
        """Ends the processes, once none is asked any more."""
        with self._changed:
            idle, self._idle = self._idle, []
            self._count -= len(idle)
        for process in idle:
            process.limited.close()


class PdfDocument:
    """One file of one request. `page` and `page_count` are for one thread at a time, `close` is for any."""

    def __init__(self, reader: PdfReader, data: bytes, field: str) -> None:
        self._reader, self._data, self._field = reader, data, field
        self._seconds = reader.limits.max_page_seconds
        self._lock = threading.Lock()
        self._process: LimitedProcess | None = None
        self._is_closed = False

    def page_count(self) -> int:
        """The number of pages, at least 1.

        Raises:
            InvalidInputError: the file is broken, encrypted or without pages, or takes too much to be opened.
        """
        process = self._taken()
        try:
            return self._opened(process).page_count
        finally:
            self._given(process)

    def page(self, index: int, dpi: int, *, text_layer: bool) -> LaidPage | PageImage:
        """The text of a page, where it holds some and is asked for it; else the page as an image.

        Args:
            index: of the page, from 0.
            dpi: pixels of an inch.
            text_layer: whether its text is asked for.

        Raises:
            InvalidInputError: the page is broken or too large, has too much text, or takes too much to be read.
        """
        field = page_field(self._field, index)
        asked = ReadPage(index, dpi, text_layer, self._reader.limits.max_image_pixels, self._seconds)
        process = self._taken()
        try:
            if process.document is not self or not process.limited.is_running:
                self._opened(process)
            answer = self._asked(process, asked, field, "read")
        finally:
            self._given(process)
        if isinstance(answer, DrawnPage):
            return PageImage(_pixels(answer))
        if isinstance(answer, LaidPage):
            return answer
        raise InternalError("the program that reads PDF files gave another answer than it was asked for")

    def close(self) -> None:
        """Ends what runs for it; whoever waits for that is refused."""
        with self._lock:
            self._is_closed = True
            if self._process is not None:
                self._process.kill()

    def _taken(self) -> _Process:
        process = self._reader.take(self)
        with self._lock:
            self._process = process.limited
        return process

    def _given(self, process: _Process) -> None:
        with self._lock:
            self._process = None
        self._reader.give(process)

    def _opened(self, process: _Process) -> Opened:
        process.document = None
        if not process.limited.is_running:
            process.limited.start()
        answer = self._asked(process, OpenFile(self._data, self._field, self._seconds), self._field, "opened")
        if not isinstance(answer, Opened):
            raise InternalError("the program that reads PDF files gave another answer than it was asked for")
        process.document = self
        return answer

    def _asked(self, process: _Process, request: OpenFile | ReadPage, field: str, done: str) -> Answer:
        if self._is_closed:
            raise InvalidInputError.at(field, "{field} is not read any more")
        answer = process.limited.ask(msgspec.msgpack.encode(request), self._seconds)
        if isinstance(answer, Ended):
            raise self._refusal(answer, field, done)
        message: Answer = msgspec.msgpack.decode(answer, type=Answer)
        if isinstance(message, Refused):
            raise message.error()
        return message

    def _refusal(self, ended: Ended, field: str, done: str) -> InvalidInputError:
        match ended:
            case Ended.TIME:
                return InvalidInputError.at(
                    field,
                    "{field} is not {done} within {limit:g} seconds of processor time "
                    "(`limits.media.max_page_seconds`)",
                    done=done,
                    limit=self._seconds,
                )
            case Ended.MEMORY:
                return InvalidInputError.at(
                    field,
                    "{field} is not {done} within {limit:,} bytes of memory",
                    done=done,
                    limit=self._reader.memory_bytes,
                )
            case Ended.CRASH:
                return InvalidInputError.at(field, "{field} cannot be {done}: it is broken", done=done)


@dataclass(slots=True, eq=False)
class _Process:
    """A process, and the document that it has open."""

    limited: LimitedProcess
    document: PdfDocument | None = None


def is_pdf(data: bytes) -> bool:
    """Whether a file is one, told by its content."""
    return _START in data[:_START_WITHIN]


def _pixels(page: DrawnPage) -> NDArray[np.uint8]:
    rows = np.frombuffer(page.pixels, np.uint8).reshape(page.height, page.stride)
    return rows[:, : 3 * page.width].reshape(page.height, page.width, 3)
