"""The pieces that the items of a conversation are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Raw, Struct, field

from panope_backends.errors import InvalidInputError
from panope_server.tasks.vision.images import Image
from panope_server.transport.rest.openai.images import image_of


class InputText(Struct, forbid_unknown_fields=True, tag_field="type", tag="input_text"):
    """A text that was said to the model."""

    text: str


class OutputText(Struct, forbid_unknown_fields=True, tag_field="type", tag="output_text"):
    """A text that the model said.

    Attributes:
        annotations: Taken, as answers are sent back; without effect.
        logprobs: The same.
    """

    text: str
    annotations: Raw = field(default_factory=Raw)
    logprobs: Raw = field(default_factory=Raw)


class PlainText(Struct, forbid_unknown_fields=True, tag_field="type", tag="text"):
    """A text, whoever said it."""

    text: str


class ReasoningText(Struct, forbid_unknown_fields=True, tag_field="type", tag="reasoning_text"):
    """A text that the model thought."""

    text: str


class SummaryText(Struct, forbid_unknown_fields=True, tag_field="type", tag="summary_text"):
    """A text about what the model thought."""

    text: str


class RefusalText(Struct, forbid_unknown_fields=True, tag_field="type", tag="refusal"):
    """A text of the model's that refused something."""

    refusal: str


class InputImage(Struct, forbid_unknown_fields=True, tag_field="type", tag="input_image"):
    """An image, for models that see images.

    Attributes:
        image_url: The file in base64: `data:image/png;base64,…`; or its URL, where `media_urls` of the settings has its
            host.
        detail: Only `auto`: an image is read as the model's own processor is set.
        file_id: Only null: no files are stored.
    """

    image_url: str | None = None
    detail: str | None = None
    file_id: None = None


class InputFile(Struct, tag_field="type", tag="input_file"):
    """A file; refused: models here read texts and images alone."""


class InputAudio(Struct, tag_field="type", tag="input_audio"):
    """A recording; refused: models here read texts and images alone."""


Content = (
    InputText | OutputText | PlainText | ReasoningText | SummaryText | RefusalText | InputImage | InputFile | InputAudio
)

#: What the pieces are called that no model here reads.
_UNREAD: tuple[tuple[type[Content], str], ...] = ((InputFile, "input_file"), (InputAudio, "input_audio"))


def pieces_of(content: str | Sequence[Content] | None, field: str) -> Iterator[str | Image]:
    """The texts and images of a content.

    Args:
        content: None for nothing.
        field: that holds it.

    Raises:
        InvalidInputError: a piece that no model here reads.
    """
    if isinstance(content, str):
        yield content
        return
    for index, piece in enumerate(content or ()):
        match piece:
            case InputImage():
                yield _image(piece, f"{field}[{index}]")
            case RefusalText():
                yield piece.refusal
            case InputFile() | InputAudio():
                name = next(name for kind, name in _UNREAD if isinstance(piece, kind))
                raise _unsupported(f"{field}[{index}].{name}", "models here read texts and images alone")
            case _:
                yield piece.text


def text_of(content: str | Sequence[Content] | None, field: str) -> str:
    """The text of a content that has no images.

    Args:
        content: None for nothing.
        field: that holds it.

    Raises:
        InvalidInputError: a piece that is no text.
    """
    texts: list[str] = []
    for index, piece in enumerate(pieces_of(content, field)):
        if isinstance(piece, Image):
            raise _unsupported(f"{field}[{index}]", "images go with what is said to the model")
        texts.append(piece)
    return "\n".join(texts)


def _image(piece: InputImage, field: str) -> Image:
    if piece.image_url is None:
        raise InvalidInputError(f"`{field}.image_url` is missing", field=f"{field}.image_url")
    return image_of(piece.image_url, f"{field}.image_url", piece.detail, f"{field}.detail")


def _unsupported(where: str, complaint: str) -> InvalidInputError:
    return InvalidInputError(f"`{where}`: {complaint}", field=where, reason="unsupported_content")
