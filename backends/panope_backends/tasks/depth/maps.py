"""Maps of depth as callers get them: PNG files of 16 bits, or float32."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from panope.worker.v1 import depth_pb2 as messages
from panope_backends.errors import InternalError, InvalidInputError
from panope_backends.tasks.depth.bicubic import Floats
from panope_backends.tasks.images import Prepared

#: Of an image whose map is a PNG file, and of one whose map is float32: what its answer takes is bounded by them.
MAX_PIXELS, MAX_FLOAT32_PIXELS = 1 << 24, 1 << 22

#: Of one PNG file: eight of a request go in one frame.
MAX_PNG_BYTES = 24 << 20

#: Of what a model sees of an image: attention over the whole of a larger one takes gigabytes, and some see it all.
MAX_SEEN_PIXELS = 1 << 21

_LARGEST = 0xFFFF


def check_pixels(image: Prepared, *, float32: bool, field: str) -> None:
    """Refuses images that are too large, before a model looks at them.

    Args:
        image: as the model will see it.
        float32: whether its map is not a PNG file.
        field: of the request that holds it.

    Raises:
        InvalidInputError: the image, or what the model would see of it, has too many pixels.
    """
    height, width, limit = image.height, image.width, MAX_FLOAT32_PIXELS if float32 else MAX_PIXELS
    if height * width > limit:
        raise InvalidInputError.at(
            field,
            "{field} has {pixels:,} pixels; the limit of this task is {limit:,} for depth as {form}",
            pixels=height * width,
            limit=limit,
            form="float32" if float32 else "a PNG file",
        )
    seen = max(int(np.prod(array.shape[1:])) for array in image.item.arrays.values())
    if seen > MAX_SEEN_PIXELS:
        raise InvalidInputError.at(
            field,
            "{field} has {width:,} × {height:,} pixels, of which the model would see {seen:,}; the limit is {limit:,}:"
            " send a smaller image",
            width=width,
            height=height,
            seen=seen,
            limit=MAX_SEEN_PIXELS,
        )


def map_message(values: Floats, unit: str, *, float32: bool, field: str) -> messages.DepthMap:
    """The map of one image.

    Args:
        values: height × width.
        unit: of the values.
        float32: whether to give them as they are, not as a PNG file.
        field: of the request that holds the image.

    Raises:
        InternalError: the model gave what is no number.
        InvalidInputError: the file is too large.
    """
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise InternalError("the model gives values that are no numbers")
    message = messages.DepthMap(width=values.shape[1], height=values.shape[0], min=low, max=high, unit=unit)
    if float32:
        message.float32 = values.astype("<f4", copy=False).tobytes()
        return message
    message.png = png_of(values, low, high)
    if len(message.png) > MAX_PNG_BYTES:
        raise InvalidInputError.at(
            field,
            "the depth of {field} has {size:,} bytes as a PNG file; the limit is {limit:,}: send a smaller image",
            size=len(message.png),
            limit=MAX_PNG_BYTES,
        )
    return message


def png_of(values: Floats, low: float, high: float) -> bytes:
    """A file of one channel of 16 bits: 0 where the value is `low`, 65,535 where it is `high`."""
    scaled = (values - np.float32(low)) * np.float32(_LARGEST / (high - low) if high > low else 0)
    file = io.BytesIO()
    Image.fromarray(np.clip(np.rint(scaled), 0, _LARGEST).astype(np.uint16)).save(file, "PNG", compress_level=3)
    return file.getvalue()
