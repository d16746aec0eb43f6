"""What the program that reads PDF files is asked, and what it answers: MessagePack, by `msgspec`."""

from __future__ import annotations

import msgspec

from panope_backends.errors import Field, InvalidInputError
from panope_backends.media.pdf.text_layer import LaidLine


class OpenFile(msgspec.Struct, tag=True):
    """Opens a file in the place of the one before; answered by `Opened`.

    Attributes:
        data: of the file.
        field: of the request that is its content.
        seconds: of processor time that it may take.
    """

    data: bytes
    field: str
    seconds: float


class ReadPage(msgspec.Struct, tag=True):
    """Reads a page of it; answered by `LaidPage` or `DrawnPage`.

    Attributes:
        index: of the page, from 0.
        dpi: pixels of an inch.
        text_layer: whether its own text is asked for, if there is some.
        max_pixels: that the page may have as it is drawn.
        seconds: of processor time that it may take.
    """

    index: int
    dpi: int
    text_layer: bool
    max_pixels: int
    seconds: float


class Opened(msgspec.Struct, tag=True):
    """A file that is open; `page_count` is at least 1."""

    page_count: int


class LaidPage(msgspec.Struct, tag=True):
    """The text of a page.

    Attributes:
        width: of the page as it is drawn, in pixels.
        height: the same.
        lines: in the order of the file; at least one.
    """

    width: int
    height: int
    lines: list[LaidLine]


class DrawnPage(msgspec.Struct, tag=True):
    """A page as an image.

    Attributes:
        width: in pixels.
        height: the same.
        stride: bytes of a row.
        pixels: RGB, row by row.
    """

    width: int
    height: int
    stride: int
    pixels: memoryview


class Refused(msgspec.Struct, tag=True):
    """Why the caller must send something else: a sentence in pieces, with whether each is a field's path."""

    field: str
    sentence: list[tuple[bool, str]]

    @classmethod
    def of(cls, error: InvalidInputError) -> Refused:
        """An error as it crosses."""
        return cls(error.field, [(isinstance(piece, Field), str_of(piece)) for piece in error.sentence])

    def error(self) -> InvalidInputError:
        """The error that it was."""
        pieces = tuple(Field(text) if is_field else text for is_field, text in self.sentence)
        return InvalidInputError(pieces, field=self.field)


Request = OpenFile | ReadPage
Answer = Opened | LaidPage | DrawnPage | Refused


def str_of(piece: str | Field) -> str:
    """The path of a field, or what else a piece is."""
    return piece.path if isinstance(piece, Field) else piece
