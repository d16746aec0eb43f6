"""One request, round by round: pages to lines, lines set upright, lines to text."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from panope.worker.v1 import ocr_pb2 as messages
from panope_backends.api import Arrays
from panope_backends.errors import InvalidInputError
from panope_backends.graphs.ocr_description import OcrDescription
from panope_backends.media.limits import MAX_TEXT_ANSWER_BYTES
from panope_backends.media.pdf.text_layer import MAX_LINES, too_many_lines
from panope_backends.tasks.ocr.characters import ReadText, read_text
from panope_backends.tasks.ocr.lines import Line, cut_line, group_width
from panope_backends.tasks.ocr.page import Corners, Page, angle_of, detector_pixels
from panope_backends.tasks.ocr.reading_order import reading_order
from panope_backends.tasks.ocr.regions import TooManyOutlinesError, find_lines
from panope_backends.tasks.ocr.runs import DETECTOR, ORIENTATION, RECOGNIZER, line_item, page_item
from panope_backends.tasks.task import ArrayItem, ArrayJob

#: Lines of a request that are cut at a time.
LINES_AT_ONCE = 128

_DOWNWARDS = 1
_NO_LINES: Corners = np.empty((0, 4, 2), np.float32)


@dataclass(frozen=True, slots=True)
class Reader:
    """What is known of a model.

    Attributes:
        description: of its graphs.
        characters: what the recognizer's values mean.
    """

    description: OcrDescription
    characters: Sequence[str]


@dataclass(frozen=True, slots=True)
class NumberedPage:
    """A page, and how errors and answers call it.

    Attributes:
        page: to read; None for one whose text is known.
        field: of the request that holds it.
        number: of the page in its document, from 1.
        message: the answer, where its text is known.
    """

    page: Page | None
    field: str
    number: int = 1
    message: messages.OcrPage | None = None


@dataclass(frozen=True, slots=True)
class OcrOptions:
    """What is told.

    Attributes:
        threshold: lines are told whose scores are at least so high.
        words: whether the words of lines are.
    """

    threshold: float
    words: bool


@dataclass(frozen=True, slots=True)
class ReadLine:
    """A line with its text.

    Attributes:
        corners: in pixels of the page.
        text: of it.
    """

    corners: Corners
    text: ReadText


class OcrJob(ArrayJob):
    """Reads pages, some at a time.

    Args:
        reader: of the model.
        pages: at least one, those that are looked at together together; taken when the ones before are read.
        options: what is told.
        close: ends what the pages come from; None where they are there. With it they are slow to come, and those whose
            text is known are told without a round.
    """

    def __init__(
        self,
        reader: Reader,
        pages: Iterable[Sequence[NumberedPage]],
        options: OcrOptions,
        close: Callable[[], None] | None = None,
    ) -> None:
        self._reader, self._pages, self._options = reader, pages, options
        self._output, self._size = messages.OcrOutput(), 0
        self._close = close
        self.makes_rounds_slowly = close is not None
        self._rounds = self._read()
        self._has_begun = not self.makes_rounds_slowly
        self.items = next(self._rounds) if self._has_begun else ()

    def next_items(self, rows: Sequence[Arrays]) -> Sequence[ArrayItem]:
        """What the next round has to run, from what the last one gave."""
        try:
            if self._has_begun:
                return self._rounds.send(rows)
            self._has_begun = True
            return next(self._rounds)
        except StopIteration:
            return ()

    def close(self) -> None:
        """Ends what the pages come from."""
        if self._close is not None:
            self._close()

    def answer(self, rows: Sequence[Arrays]) -> bytes:
        """The lines of each page, in the order in which they are read."""
        del rows
        return self._output.SerializeToString()

    def _read(self) -> Generator[list[ArrayItem], Sequence[Arrays], None]:
        detector = self._reader.description.detector
        for pages in self._pages:
            drawn = [each.page for each in pages if each.page is not None]
            if not drawn:
                for each in pages:
                    self._tell(self._message(each, ()))
                continue
            maps = iter((yield [page_item(detector_pixels(page, detector)) for page in drawn]))
            outlines = [
                _NO_LINES if each.page is None else self._lines_of(each, each.page, next(maps)) for each in pages
            ]
            del maps
            read: list[list[ReadLine]] = [[] for _ in pages]
            lines = self._cut(pages, outlines)
            while some := list(itertools.islice(lines, LINES_AT_ONCE)):
                yield from self._set_upright(some)
                for line, text in zip(some, (yield from self._recognized(some)), strict=True):
                    if text.text.strip() and text.score >= self._options.threshold:
                        read[line.page].append(ReadLine(line.corners, text))
            for each, found in zip(pages, read, strict=True):
                self._tell(self._message(each, found))

    def _lines_of(self, numbered: NumberedPage, page: Page, row: Arrays) -> Corners:
        height, width = page.pixels.shape[:2]
        try:
            found = find_lines(row[DETECTOR], self._reader.description.detector, height, width)
        except TooManyOutlinesError:
            raise too_many_lines(numbered.field) from None
        if len(found) > MAX_LINES:
            raise too_many_lines(numbered.field)
        return found

    def _cut(self, pages: Sequence[NumberedPage], outlines: Sequence[Corners]) -> Iterator[Line]:
        described = self._reader.description
        for index, (numbered, corners) in enumerate(zip(pages, outlines, strict=True)):
            if numbered.page is not None:
                for each in corners:
                    yield cut_line(index, numbered.page.pixels, each, described.recognizer, described.orientation)

    def _set_upright(self, lines: Sequence[Line]) -> Generator[list[ArrayItem], Sequence[Arrays], None]:
        orientation = self._reader.description.orientation
        if orientation is None:
            return
        rows = yield [line_item(ORIENTATION, line.turn, orientation.width) for line in lines if line.turn is not None]
        for line, row in zip(lines, rows, strict=True):
            if row[ORIENTATION][_DOWNWARDS] > max(orientation.threshold, row[ORIENTATION][0]):
                line.stand_on_head()

    def _recognized(self, lines: Sequence[Line]) -> Generator[list[ArrayItem], Sequence[Arrays], list[ReadText]]:
        recognizer = self._reader.description.recognizer
        widths = [group_width(line.pixels, recognizer) for line in lines]
        rows = yield [line_item(RECOGNIZER, line.pixels, width) for line, width in zip(lines, widths, strict=True)]
        return [
            read_text(
                row["best"],
                row["probabilities"],
                self._reader.characters,
                len(row["best"]) * line.pixels.shape[1] / width,
            )
            for line, row, width in zip(lines, rows, widths, strict=True)
        ]

    def _tell(self, page: messages.OcrPage) -> None:
        self._size += page.ByteSize()
        if self._size > MAX_TEXT_ANSWER_BYTES:
            raise self._too_long_answer()
        self._output.pages.append(page)

    def _too_long_answer(self) -> InvalidInputError:
        return InvalidInputError.at(
            "document.pages" if self.makes_rounds_slowly else "images",
            "what {field} hold is longer as an answer than {limit:,} bytes; ask for fewer of them"
            + (", or without `words`" if self._options.words else ""),
            limit=MAX_TEXT_ANSWER_BYTES,
        )

    def _message(self, numbered: NumberedPage, lines: Sequence[ReadLine]) -> messages.OcrPage:
        page = numbered.page
        if page is None:
            assert numbered.message is not None  # of a page whose text is known
            return numbered.message
        corners = np.array([line.corners for line in lines], np.float32).reshape(-1, 4, 2)
        told = [lines[at] for at in reading_order(corners)]
        return messages.OcrPage(
            number=numbered.number,
            width=page.width,
            height=page.height,
            lines=[self._line_message(page, line) for line in told],
        )

    def _line_message(self, page: Page, line: ReadLine) -> messages.OcrLine:
        corners = page.in_image(line.corners)
        words = line.text.words() if self._options.words else ()
        return messages.OcrLine(
            text=line.text.text,
            score=line.text.score,
            corners=corners.ravel().tolist(),
            angle=angle_of(corners),
            words=[
                messages.OcrWord(
                    text=word.text,
                    score=word.score,
                    corners=page.in_image(_between(line.corners, word.begin, word.end)).ravel().tolist(),
                )
                for word in words
            ],
        )


def _between(corners: Corners, begin: float, end: float) -> Corners:
    """A part of a line, from one place along it to another."""
    upper, lower = (corners[0], corners[1]), (corners[3], corners[2])
    ends = [one + (other - one) * part for part in (begin, end) for one, other in (upper, lower)]
    return np.array([ends[0], ends[2], ends[3], ends[1]], np.float32)
