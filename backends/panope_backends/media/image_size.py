"""Which sizes an image may have."""

from __future__ import annotations

from panope_backends.errors import InvalidInputError

#: How many times as long as wide an image may be: scaled to a model's shorter side, a strip grows beyond all limits.
MAX_ASPECT_RATIO = 200


def check_size(size: tuple[int, int], field: str, max_pixels: int) -> None:
    """Refuses images without pixels, with too many, and strips.

    Args:
        size: width and height.
        field: of the request that holds the image.
        max_pixels: that it may have.

    Raises:
        InvalidInputError: it is one of these.
    """
    width, height = size
    if min(width, height) < 1:
        raise InvalidInputError.at(field, "{field} has no pixels")
    if width * height > max_pixels:
        raise InvalidInputError.at(
            field,
            "{field} has {width:,} × {height:,} pixels, {count:,} in all; the limit is {limit:,}",
            width=width,
            height=height,
            count=width * height,
            limit=max_pixels,
        )
    if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
        raise InvalidInputError.at(
            field,
            "{field} has {width:,} × {height:,} pixels; one side may be {limit} times the other",
            width=width,
            height=height,
            limit=MAX_ASPECT_RATIO,
        )
