"""The images of a request, from the message to what a model runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from PIL import Image

from panope.worker.v1 import media_pb2 as messages
from panope_backends.api import Arrays
from panope_backends.errors import InternalError, InvalidInputError, PreconditionError
from panope_backends.media.data_urls import read_data_url
from panope_backends.media.images import decode_image, decode_transparency
from panope_backends.media.limits import MediaLimits
from panope_backends.media.processors import FILES, trial_image
from panope_backends.tasks.stacked_arrays import tokens_of
from panope_backends.tasks.task import ArrayItem


class Processor(Protocol):
    """Makes arrays of images, of each by itself: `ImageProcessor`, or what `panope.json` describes."""

    def arrays(self, image: Image.Image, field: str) -> Arrays:
        """The model's inputs by their names, without the batch's axis; raises as `ImageProcessor` does."""


@dataclass(slots=True)
class Prepared:
    """One image that a model can run.

    Attributes:
        item: as the model takes it.
        width: of the image as it is shown, in pixels.
        height: the same.
    """

    item: ArrayItem
    width: int
    height: int


class ImagePreparer:
    """Decodes the images of requests and makes arrays of them.

    Args:
        processor: of the model.
        limits: that images must keep.
    """

    def __init__(self, processor: Processor, limits: MediaLimits) -> None:
        self._processor = processor
        self._limits = limits

    def prepared(self, images: Sequence[messages.Image], first_index: int, field: str = "images") -> list[Prepared]:
        """All images of a request.

        Args:
            images: of the message.
            first_index: the position in the call of the first.
            field: of the request that holds them.

        Raises:
            InvalidInputError: one is not read; names it by its position.
        """
        return [self._one(image, f"{field}[{index}]") for index, image in enumerate(images, first_index)]

    def sample(self, number: int) -> ArrayItem:
        """An image to try with, of a number.

        Raises:
            PreconditionError: the model's processor makes nothing of it, which is nobody's image.
        """
        try:
            return self.item(trial_image(number), "images[0]")
        except InvalidInputError:
            raise PreconditionError(f"`{FILES[0]}` describes a processor that makes nothing of images") from None
        except MemoryError:
            raise PreconditionError(
                f"`{FILES[0]}` asks for images that take more memory than the model may have here",
                reason="insufficient_memory",
            ) from None

    def _one(self, image: messages.Image, field: str) -> Prepared:
        decoded = read_image(image, field, self._limits)
        return Prepared(self.item(decoded, field), *decoded.size)

    def item(self, image: Image.Image, field: str) -> ArrayItem:
        """An image in RGB as the model takes it; raises as the processor does."""
        arrays = self._processor.arrays(image, field)
        return ArrayItem(arrays, tokens_of(arrays))


def read_image(image: messages.Image, field: str, limits: MediaLimits) -> Image.Image:
    """An image of a message in RGB, upright.

    Args:
        image: of the message.
        field: of the request that holds it.
        limits: that it must keep.

    Raises:
        InvalidInputError: it is not read.
    """
    return decode_image(_file_of(image, field, limits), field, limits)


def read_transparency(image: messages.Image, field: str, limits: MediaLimits) -> Image.Image:
    """As `read_image`, how transparent each pixel is, from 0 to 255; an image without transparency is refused."""
    return decode_transparency(_file_of(image, field, limits), field, limits)


def _file_of(image: messages.Image, field: str, limits: MediaLimits) -> bytes:
    match image.WhichOneof("source"):
        case "content":
            return image.content
        case "data_url":
            return read_data_url(image.data_url, field, limits.max_image_bytes)
    raise InternalError("the server sent an image without a source")
