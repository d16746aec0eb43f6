"""The bodies of OCR, and what is answered."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from msgspec import Meta, Struct

from panope_server.transport.rest.hugging_face.schemas import CallOptions

Text = Annotated[str, Meta(min_length=1)]


class OcrParameters(Struct, forbid_unknown_fields=True):
    """How to read.

    Attributes:
        threshold: Tells of lines with this score or a higher one. Default: 0.5.
        words: Whether to tell of the words of each line.
    """

    threshold: Annotated[float, Meta(ge=0, le=1)] | None = None
    words: bool = False


class OcrBody(Struct, forbid_unknown_fields=True):
    """POST /v1/ocr.

    Attributes:
        inputs: An image in base64, or as a `data:` URL.
        model: Absent for the model of the path, or for the only model of the task.
        parameters: How to read.
        options: How to treat the call.
    """

    inputs: Text
    model: Text | None = None
    parameters: OcrParameters | None = None
    options: CallOptions | None = None


class TextWordJson(TypedDict):
    """One word of a line: what stands between two spaces."""

    text: str
    score: float
    corners: list[list[float]]
    """Four points, each `[x, y]`, from the upper left corner of the text on, as the hands of a clock turn."""


class TextLineJson(TypedDict):
    """One line of text."""

    text: str
    score: float
    corners: list[list[float]]
    """As of a word."""

    angle: float
    """In which direction it runs, in degrees: 0 to the right, 90 downwards."""

    words: NotRequired[list[TextWordJson]]
    """Absent unless they were asked for."""


class TextPageJson(TypedDict):
    """The text of one page."""

    page: int
    """Its place in its file, from 1."""

    width: int
    """Of the image as it is shown, in pixels."""

    height: int
    text: str
    """Of all lines."""

    lines: list[TextLineJson]
    """In the order in which they are read."""


class OcrJson(TypedDict):
    """What was read."""

    model: str
    pages: list[TextPageJson]
