"""Images: what the inputs of several tasks are made of. They are decoded by workers alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from panope.worker.v1 import media_pb2 as messages
from panope_backends.errors import InvalidInputError
from panope_server.config import MediaLimits

_DATA = "data:"
_FETCHED = ("http://", "https://")

#: Where URIs have their scheme.
_SCHEME_CHARACTERS = 8

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
    """An image as its caller sent it; exactly one of the two is filled.

    Attributes:
        content: the file.
        data_url: a `data:` URL in base64.
    """

    content: bytes = b""
    data_url: str = ""

    @property
    def size_bytes(self) -> int:
        """Of the file, about."""
        head = self.data_url.find(",") + 1
        return len(self.content) or (len(self.data_url) - head) // _CHARACTERS * _BYTES


def image_of_uri(uri: str, field: str) -> Image:
    """The image that a URI holds.

    Args:
        uri: as the caller sent it.
        field: of the request that holds it.

    Raises:
        InvalidInputError: it names a place where the image lies.
    """
    start = uri[:_SCHEME_CHARACTERS].lower()
    if start.startswith(_DATA):
        return Image(data_url=uri)
    if start.startswith(_FETCHED):
        raise InvalidInputError.at(
            field, "{field} names an image elsewhere, which Panope does not fetch; send the file, or a `data:` URL"
        )
    raise InvalidInputError.at(field, "{field} must be a `data:` URL")


def image_of_base64(text: str) -> Image:
    """The image that base64 without a head holds."""
    return Image(data_url=f"data:;base64,{text}")


def image_in(text: str, field: str) -> Image:
    """The image in a field of JSON: base64, or a `data:` URL.

    Args:
        text: of the field.
        field: its name.

    Raises:
        InvalidInputError: a URL of another kind.
    """
    return image_of_uri(text, field) if ":" in text[:_SCHEME_CHARACTERS] else image_of_base64(text)


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
    if not image.content and not image.data_url:
        raise InvalidInputError.at(field, "{field} is empty")
    if image.size_bytes > limits.max_image_bytes + _BYTES:
        raise InvalidInputError.at(
            field,
            "{field} has {size:,} bytes; the limit is {limit:,}",
            size=image.size_bytes,
            limit=limits.max_image_bytes,
        )


def image_messages(images: Iterable[Image]) -> list[messages.Image]:
    """Images as workers take them."""
    return [
        messages.Image(content=image.content) if image.content else messages.Image(data_url=image.data_url)
        for image in images
    ]


def image_cost(images: Sequence[Image]) -> tuple[int, int]:
    """Items and bytes of images."""
    return len(images), sum(image.size_bytes for image in images)


def image_work(images: Sequence[Image]) -> int:
    """Units of work of images, by the pixels that their files hold, about; the worker alone looks into them."""
    pixels = sum(image.size_bytes for image in images) * PIXELS_OF_BYTE
    return len(images) * UNITS_OF_IMAGE + pixels // PIXELS_OF_UNIT
