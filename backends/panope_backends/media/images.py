"""Images that callers sent, as Pillow's: checked by their header, decoded, upright, in RGB.

They become what transformers' `load_image` makes of them, so that a model sees the same as in its library: EXIF's
orientation is applied; transparency, palettes, CMYK and 16 bits go through Pillow's conversion to RGB; of an animation
the first frame counts.
"""

from __future__ import annotations

import io
import warnings

from PIL import Image, ImageOps

from panope_backends.errors import InvalidInputError
from panope_backends.media.data_urls import too_long
from panope_backends.media.image_formats import format_of
from panope_backends.media.image_size import check_size
from panope_backends.media.limits import MediaLimits

# Pillow's own limit warns and raises by two numbers; what a request may bring is the caller's setting.
Image.MAX_IMAGE_PIXELS = None


def decode_image(data: bytes, field: str, limits: MediaLimits) -> Image.Image:
    """An image in RGB, upright; its size is that of the file as it is shown.

    Args:
        data: a PNG, JPEG, WebP, GIF, BMP or TIFF file.
        field: of the request that holds it.
        limits: that it must keep.

    Raises:
        InvalidInputError: it is empty, too large, of another format, truncated or broken.
    """
    return _opened(data, field, limits).convert("RGB")


def decode_transparency(data: bytes, field: str, limits: MediaLimits) -> Image.Image:
    """How transparent each pixel of an image is, from 0 to 255, upright; raises as `decode_image` does.

    Raises:
        InvalidInputError: it has no transparency.
    """
    image = _opened(data, field, limits)
    if not image.has_transparency_data:
        raise InvalidInputError.at(field, "{field} has no transparency, which says what is to be drawn")
    return ImageOps.invert(image.convert("RGBA").getchannel("A"))


def _opened(data: bytes, field: str, limits: MediaLimits) -> Image.Image:
    if not data:
        raise InvalidInputError.at(field, "{field} is empty")
    if len(data) > limits.max_image_bytes:
        raise too_long(field, len(data), limits.max_image_bytes)
    name = format_of(data, field)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is odd but readable
            return _decoded(data, name, field, limits)
    except (InvalidInputError, MemoryError):
        raise
    except Exception:  # decoders raise what they like at broken files
        raise InvalidInputError.at(field, "{field} is a {name} file that is truncated or broken", name=name) from None


def _decoded(data: bytes, name: str, field: str, limits: MediaLimits) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=[name]) as opened:
        check_size(opened.size, field, limits.max_image_pixels)  # as the header has it; nothing is decoded yet
        opened.load()
        # A frame of an animation may be larger than its header says.
        check_size(opened.size, field, limits.max_image_pixels)
        image = _upright(opened)
        # Pixels are copied, and what is odd about them shows, while the file is open.
        return image if image.has_transparency_data else image.convert("RGB")


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # an image with a broken EXIF block is still an image
        return image
