"""The bodies of OCR, and what is answered."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from msgspec import Meta, Struct

from panope_server.tasks.vision.documents import MAX_DPI, MIN_DPI
from panope_server.tasks.vision.ocr import MAX_TOKENS
from panope_server.transport.rest.hugging_face.schemas import CallOptions

Text = Annotated[str, Meta(min_length=1)]


class OcrParameters(Struct, forbid_unknown_fields=True):
    """How to read.

    Attributes:
        threshold: Tells of lines with this score or a higher one. Default: 0.5.
        words: Whether to tell of the words of each line.
        pages: Of a PDF file: which, from 1, such as `1-3,7`; `5-` goes to the last one. Default: all.
        dpi: Of a PDF file: in how many pixels of an inch its pages are drawn. Default: 150.
        text_layer: Of a PDF file: whether a page that holds text itself is told by it, and not read.
        prompt: Of a model that writes token by token: what its answer goes on from, such as `<s_cord-v2>`.
        question: About the image, for a model such as Donut's for documents; the answer is the only line.
        max_tokens: Of a model that writes token by token: the most that it writes.
    """

    threshold: Annotated[float, Meta(ge=0, le=1)] | None = None
    words: bool = False
    pages: Text | None = None
    dpi: Annotated[int, Meta(ge=MIN_DPI, le=MAX_DPI)] | None = None
    text_layer: bool | None = None
    prompt: Text | None = None
    question: Text | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=MAX_TOKENS)] | None = None


class OcrBody(Struct, forbid_unknown_fields=True):
    """POST /v1/ocr.

    Attributes:
        inputs: An image or a PDF file in base64, as a `data:` URL, or by its URL where the settings `media_urls` allow
            that.
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
    """Of the image as it is shown, or of the page as it was drawn, in pixels."""

    height: int
    text: str
    """Of all lines."""

    lines: list[TextLineJson]
    """In the order in which they are read."""

    text_layer: NotRequired[bool]
    """True where they are the text that the page of a PDF file holds itself."""

    parsed: NotRequired[Any]
    """What a model that parses documents, such as Donut, made of the image."""

    truncated: NotRequired[bool]
    """True where a model that writes token by token ended because it had written as many as it may."""


class OcrJson(TypedDict):
    """What was read."""

    model: str
    pages: list[TextPageJson]
