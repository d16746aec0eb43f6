"""How large media may be that are decoded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """What one file may be.

    Attributes:
        max_image_bytes: of an encoded picture.
        max_image_pixels: of a decoded one.
    """

    max_image_bytes: int = 16 << 20
    max_image_pixels: int = 50_000_000
