"""Images and places in them, between messages and tasks."""

from __future__ import annotations

from collections.abc import Iterable

from panope.v1 import media_pb2 as pb
from panope_server.tasks.vision.detect import Box
from panope_server.tasks.vision.images import Image, image_of_uri


def images_of(images: Iterable[pb.Image], field: str = "images") -> list[Image]:
    """The images of a request; one without a source is empty, which its task refuses.

    Args:
        images: of the message.
        field: of the request that holds them.

    Raises:
        InvalidInputError: a URI does not hold its image.
    """
    return [image_of(image, f"{field}[{index}]") for index, image in enumerate(images)]


def image_of(image: pb.Image, field: str) -> Image:
    """As `images_of`, of one."""
    if image.WhichOneof("source") == "uri":
        return image_of_uri(image.uri, f"{field}.uri")
    return Image(content=image.content)


def boxes_of(boxes: Iterable[pb.BoundingBox]) -> list[Box]:
    """Rectangles of a request."""
    return [Box(box.x_min, box.y_min, box.x_max, box.y_max) for box in boxes]


def box_message(box: Box) -> pb.BoundingBox:
    """A rectangle."""
    return pb.BoundingBox(x_min=box.x_min, y_min=box.y_min, x_max=box.x_max, y_max=box.y_max)
