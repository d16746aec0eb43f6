"""Files of images that were made."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: Of files that lose something.
QUALITY = 95

_OPTIONS: dict[str, dict[str, Any]] = {
    "png": {"compress_level": 3},  # higher ones take twice the time for a few per cent
    "jpeg": {"quality": QUALITY},
    "webp": {"quality": QUALITY},
}


def file_of(pixels: NDArray[np.uint8], kind: str, quality: int = 0) -> bytes:
    """A file of an image.

    Args:
        pixels: height × width × 3, in RGB.
        kind: `png`, `jpeg` or `webp`.
        quality: of the other two, from 1 to 100; 0 for 95.
    """
    file = io.BytesIO()
    options = _OPTIONS[kind] | ({"quality": quality} if quality and kind != "png" else {})
    Image.fromarray(pixels).save(file, kind.upper(), **options)
    return file.getvalue()
