"""Task `ocr`: images and documents to the text in them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, NamedTuple

from panope.worker.v1 import ocr_pb2 as messages
from panope_backends.errors import Field, InvalidInputError
from panope_backends.media.limits import MAX_TEXT_ANSWER_BYTES
from panope_backends.model_facts.image_models import WRITTEN_SLOTS, image_states, part_of, reads_text
from panope_server.config import Limits, Settings
from panope_server.tasks import agreement, samples
from panope_server.tasks.links import Link
from panope_server.tasks.task import Canonical, Workload
from panope_server.tasks.vision.documents import Document, check_document, document_message, holds_pdf
from panope_server.tasks.vision.image_workloads import images_workloads
from panope_server.tasks.vision.images import Image, image_messages
from panope_server.tasks.vision.images_task import ImagesInput, ImagesOutput, ImagesTask

#: Images that go to a worker as one request: they wait there as pixels until they are read.
_REQUEST_IMAGES = 4

#: A page costs so many times what its pixels do: its lines are read one by one.
_WORK = 4
_WORK_OF_PAGE = 8192 * _WORK

_POINTS = 4

MAX_PROMPT_BYTES = 16 << 10
"""Of a prompt, and of a question."""
MAX_TOKENS = 1 << 16

#: Keys and values, and the bytes of each of their numbers.
_KINDS, _BYTES = 2, 4


class Point(NamedTuple):
    """A place in an image as it is shown, in pixels."""

    x: float
    y: float


Corners = tuple[Point, ...]
"""Four points, from the upper left corner of a text on, as the hands of a clock turn."""


@dataclass(slots=True)
class OcrInput(ImagesInput):
    """Images to read.

    Attributes:
        threshold: lines are told whose scores are at least so high, 0 to 1; None for the default, 0.5.
        words: whether the words of lines are told.
        document: in the images' place; None for these.
        may_be_image: whether the document, which is still to be fetched, may turn out to be an image.
        prompt: what the answers of a model that writes go on from; empty for its own.
        question: about each image, for a model that answers questions; empty for none.
        max_tokens: of each answer of a model that writes; None for the model's own.
    """

    threshold: float | None = None
    words: bool = False
    document: Document | None = None
    may_be_image: bool = False
    prompt: str = ""
    question: str = ""
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class TextWord:
    """One word of a line.

    Attributes:
        text: of it.
        score: 0 to 1.
        corners: where it is.
    """

    text: str
    score: float
    corners: Corners


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line.

    Attributes:
        text: of it, in the order in which the model reads.
        score: 0 to 1.
        corners: where it is.
        angle: the direction in which it runs, in degrees: 0 to the right, 90 downwards.
        words: empty unless they were asked for.
    """

    text: str
    score: float
    corners: Corners
    angle: float
    words: list[TextWord]


@dataclass(slots=True)
class TextPage:
    """The lines of one image in the order in which they are read; its size in pixels as it is shown.

    Attributes:
        number: the page's place in its file, from 1.
        is_text_layer: whether the lines are the page's own text.
        parsed_json: what a model that parses made of it, as JSON; empty for others.
        is_truncated: whether a model that writes ended for the length of its answer.
    """

    number: int
    width: int
    height: int
    lines: list[TextLine]
    is_text_layer: bool = False
    parsed_json: str = ""
    is_truncated: bool = False


@dataclass(slots=True)
class OcrOutput(ImagesOutput):
    """In the order of the images, or of the document's pages.

    Attributes:
        size_bytes: of the workers' messages.
    """

    images: list[TextPage]
    size_bytes: int = 0


class OcrTask(ImagesTask[OcrInput, OcrOutput]):
    """Images to lines of text."""

    name = "ocr"
    input_type = OcrInput
    output_type = OcrOutput
    workloads: ClassVar[Sequence[Workload]] = images_workloads("ocr", OcrInput, (1,), samples.page)
    least_agreement = 0.8

    def encode(self, task_input: OcrInput) -> bytes:
        """The images as they came."""
        message = messages.OcrInput(
            images=image_messages(task_input.images),
            threshold=task_input.threshold,
            words=task_input.words,
            first_index=task_input.first_index,
            document=None if task_input.document is None else document_message(task_input.document),
            prompt=task_input.prompt,
            question=task_input.question,
            max_tokens=task_input.max_tokens or 0,
        )
        return message.SerializeToString()

    def decode(self, data: bytes) -> OcrOutput:
        """The lines of each image."""
        return OcrOutput([_page_of(page) for page in messages.OcrOutput.FromString(data).pages], len(data))

    def join(self, parts: Sequence[OcrOutput]) -> OcrOutput:
        """The pages of all parts; a worker bounds those of one."""
        joined = super().join(parts)
        joined.size_bytes = sum(part.size_bytes for part in parts)
        if joined.size_bytes > MAX_TEXT_ANSWER_BYTES:
            raise InvalidInputError.at(
                "images",
                "what {field} hold is longer as an answer than {limit:,} bytes; ask for fewer of them",
                limit=MAX_TEXT_ANSWER_BYTES,
            )
        return joined

    def split(self, task_input: OcrInput, max_items: int) -> Sequence[OcrInput]:
        """So many images in each part."""
        return super().split(task_input, min(max_items, _REQUEST_IMAGES))

    def cost(self, task_input: OcrInput, data: bytes) -> tuple[int, int]:
        """Images, and the bytes of their files; a document is one."""
        if (document := task_input.document) is None:
            return super().cost(task_input, data)
        return 1, document.file.size_bytes

    def slots(self, task_input: OcrInput) -> int:
        """One for each image, of models that write; others have none."""
        return max(1, len(task_input.images))

    def work(self, task_input: OcrInput, items: int, size_bytes: int) -> int:
        """By the pixels of the images, or the pages of the document, about, and the lines in them."""
        if (document := task_input.document) is None:
            return super().work(task_input, items, size_bytes) * _WORK
        return document.page_count * _WORK_OF_PAGE

    def canonical(self, task_input: OcrInput, facts: object) -> Canonical | None:
        """As of images; what was read of a document is not kept."""
        return super().canonical(task_input, facts) if task_input.document is None else None

    def links(self, task_input: OcrInput) -> Sequence[Link]:
        """Those of images, or that of the document."""
        document = task_input.document
        if document is None or not document.file.url:
            return super().links(task_input)
        return (Link(document.file.url, "document.content", "document", partial(_put_document, task_input, document)),)

    def agreement(self, expected: OcrOutput, found: OcrOutput) -> float:
        """The part of the texts that is alike."""
        texts = (["\n".join(line.text for line in page.lines) for page in each.images] for each in (expected, found))
        return agreement.of_each(agreement.of_texts, *texts)

    def validate(self, task_input: OcrInput, limits: Limits) -> None:
        """Checks every field; what images and documents hold, the worker sees."""
        if task_input.document is None:
            super().validate(task_input, limits)
        elif task_input.images:
            raise InvalidInputError.at("document", "{field} and {images} exclude each other", images=Field("images"))
        else:
            check_document(task_input.document, limits.media)
        threshold = task_input.threshold
        if threshold is not None and not (math.isfinite(threshold) and 0 <= threshold <= 1):
            raise InvalidInputError.at("threshold", "{field} must be a number from 0 to 1")
        for name in ("prompt", "question"):
            if len(getattr(task_input, name).encode(errors="replace")) > MAX_PROMPT_BYTES:
                raise InvalidInputError.at(name, "{field} has more than {limit:,} bytes", limit=MAX_PROMPT_BYTES)
        if task_input.max_tokens is not None and not 1 <= task_input.max_tokens <= MAX_TOKENS:
            raise InvalidInputError.at("max_tokens", "{field} must be 1 to {limit:,}", limit=MAX_TOKENS)

    def extra_bytes(self, config: Mapping[str, Any], settings: Settings, free_bytes: int | None) -> int:
        """The keys and values of a model that writes: of all images and answers that run together."""
        del settings, free_bytes
        if not reads_text(config):
            return 0
        decoder, encoder = part_of(config, "decoder"), part_of(config, "encoder")
        tokens = image_states(encoder) + _count(decoder, "max_position_embeddings")
        return WRITTEN_SLOTS * tokens * _KINDS * _count(decoder, "decoder_layers") * _count(decoder, "d_model") * _BYTES


def _put_document(task_input: OcrInput, document: Document, content: bytes) -> None:
    """Puts a file that was fetched in its place: as an image, where it is one and may be."""
    file = Image(content=content)
    if not task_input.may_be_image or holds_pdf(file):
        task_input.document = replace(document, file=file)
        return
    options = ("pages", document.pages), ("dpi", document.dpi is not None), ("text_layer", document.text_layer)
    if given := next((name for name, value in options if value), ""):
        raise InvalidInputError.at(
            f"document.{given}", "{field} is for PDF files, and {images} holds an image", images=Field("images")
        )
    task_input.images, task_input.document = [file], None


def _page_of(page: messages.OcrPage) -> TextPage:
    lines = [
        TextLine(line.text, line.score, _corners(line.corners), line.angle, [_word_of(word) for word in line.words])
        for line in page.lines
    ]
    return TextPage(
        page.number, page.width, page.height, lines, page.is_text_layer, page.parsed_json, page.is_truncated
    )


def _count(part: Mapping[str, Any], name: str) -> int:
    value = part.get(name)
    return value if type(value) is int and 0 < value < 1 << 24 else 0


def _word_of(word: messages.OcrWord) -> TextWord:
    return TextWord(word.text, word.score, _corners(word.corners))


def _corners(flat: Sequence[float]) -> Corners:
    return tuple(Point(flat[2 * at], flat[2 * at + 1]) for at in range(_POINTS))
