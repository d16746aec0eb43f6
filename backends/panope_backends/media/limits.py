"""How large media may be that are decoded."""

from __future__ import annotations

from dataclasses import dataclass

MAX_TEXT_ANSWER_BYTES = 16 << 20
"""Of the text that one request may have read, with its places, as workers tell it."""


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """What one file may be.

    Attributes:
        max_image_bytes: of an encoded image.
        max_image_pixels: of a decoded one.
        max_audio_bytes: of an encoded audio file.
        max_audio_seconds: of a decoded one.
        max_document_bytes: of a PDF file.
        max_pages: of it that one request reads.
        max_page_seconds: of processor time, that opening it may take, and reading each of its pages.
        max_video_bytes: of an encoded video.
        max_video_pixels: of one of its frames.
        max_video_frames: of a video that is read, and of one that is made of it.
    """

    max_image_bytes: int = 16 << 20
    max_image_pixels: int = 50_000_000
    max_audio_bytes: int = 64 << 20
    max_audio_seconds: float = 3600.0
    max_document_bytes: int = 32 << 20
    max_pages: int = 100
    max_page_seconds: float = 10.0
    max_video_bytes: int = 64 << 20
    max_video_pixels: int = 4096 * 2304
    max_video_frames: int = 36_000
