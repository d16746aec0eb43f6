"""Images: what the inputs of several tasks are made of. They are decoded by workers alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableSequence, Sequence
from dataclasses import dataclass
from functools import partial

from panope.worker.v1 import media_pb2 as messages
from panope_backends.errors import InternalError, InvalidInputError
from panope_server.config import MediaLimits
from panope_server.tasks.links import SCHEME_CHARACTERS, Link, file_url, holds_file

#: Base64 takes four characters for three bytes.
_CHARACTERS, _BYTES = 4, 3

#: Pixels of an image that one byte of its file stands for, about, as photographs are compressed.
PIXELS_OF_BYTE = 4
#: Pixels that cost a model about what a token of text does.
PIXELS_OF_UNIT = 16 * 16
#: What every image costs, however small its file: models scale it to a size of their own.
UNITS_OF_IMAGE = 256


@dataclass(slots=True, frozen=True)
class Image:
    """An image as its caller sent it; exactly one of the three is filled.

    Attributes:
        content: the file.
        data_url: a `data:` URL in base64.
        url: where the file is, until it was fetched.
    """

    content: bytes = b""
    data_url: str = ""
    url: str = ""

    @property
    def size_bytes(self) -> int:
        """Of the file, about."""
        head = self.data_url.find(",") + 1
        return len(self.content) or (len(self.data_url) - head) // _CHARACTERS * _BYTES


def image_of_uri(uri: str, field: str) -> Image:
    """The image that a URI holds, or where it is.

    Args:
        uri: as the caller sent it.
        field: of the request that holds it.

    Raises:
        InvalidInputError: it is of another scheme than `data`, `http` and `https`.
    """
    url = file_url(uri, field)
    return Image(data_url=url) if holds_file(url) else Image(url=url)


def image_of_base64(text: str) -> Image:
    """The image that base64 without a head holds."""
    return Image(data_url=f"data:;base64,{text}")


def image_in(text: str, field: str) -> Image:
    """The image in a field of JSON: base64, a `data:` URL, or where it is.

    Args:
        text: of the field.
        field: its name.

    Raises:
        InvalidInputError: a URL of another kind.
    """
    return image_of_uri(text, field) if ":" in text[:SCHEME_CHARACTERS] else image_of_base64(text)


def check_images(images: Sequence[Image], limits: MediaLimits, field: str = "images") -> None:
    """Refuses no images, too many, an empty one and one of too many bytes; what they hold, the worker sees."""
    if not images:
        raise InvalidInputError.at(field, "{field} is empty; give at least one")
    check_count(images, limits.max_images, field)
    for index, image in enumerate(images):
        check_image(image, limits, f"{field}[{index}]")


def check_count(images: Sequence[Image], limit: int, field: str = "images") -> None:
    """Refuses more images than a limit."""
    if len(images) > limit:
        raise InvalidInputError.at(
            field, "{field} has {count:,} items; the limit is {limit:,}", count=len(images), limit=limit
        )


def check_image(image: Image, limits: MediaLimits, field: str) -> None:
    """Refuses an empty image and one of too many bytes."""
    if not image.content and not image.data_url and not image.url:
        raise InvalidInputError.at(field, "{field} is empty")
    if image.size_bytes > limits.max_image_bytes + _BYTES:
        raise InvalidInputError.at(
            field,
            "{field} has {size:,} bytes; the limit is {limit:,}",
            size=image.size_bytes,
            limit=limits.max_image_bytes,
        )


def image_links(images: MutableSequence[Image], field_of: Callable[[int], str]) -> list[Link]:
    """The images that are elsewhere; each takes its place in the list once it was fetched.

    Args:
        images: of an input.
        field_of: what that calls an image, by its position.
    """

    def put(index: int, content: bytes) -> None:
        images[index] = Image(content=content)

    return [
        Link(image.url, field_of(index), "image", partial(put, index))
        for index, image in enumerate(images)
        if image.url
    ]


def image_messages(images: Iterable[Image]) -> list[messages.Image]:
    """Images as workers take them.

    Raises:
        InternalError: one is still elsewhere: its task does not tell its `links`.
    """
    return [_message(image) for image in images]


def _message(image: Image) -> messages.Image:
    if image.url:
        raise InternalError("an image that lies elsewhere was not fetched")
    return messages.Image(content=image.content) if image.content else messages.Image(data_url=image.data_url)


def image_cost(images: Sequence[Image]) -> tuple[int, int]:
    """Items and bytes of images."""
    return len(images), sum(image.size_bytes for image in images)


def image_work(images: Sequence[Image]) -> int:
    """Units of work of images, by the pixels that their files hold, about; the worker alone looks into them."""
    pixels = sum(image.size_bytes for image in images) * PIXELS_OF_BYTE
    return len(images) * UNITS_OF_IMAGE + pixels // PIXELS_OF_UNIT
