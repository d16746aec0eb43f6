"""The section `[limits.media]`: how large the media of one request may be."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class MediaLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """What media one request may bring."""

    max_images: Annotated[int, Meta(ge=1, description="Images in one request.")] = 64
    max_image_bytes: Annotated[int, Meta(ge=1, description="Bytes of one image, as a file.")] = 16 << 20
    max_image_pixels: Annotated[
        int,
        Meta(
            ge=1,
            le=1 << 28,
            description="Pixels of one image, as its file's header says; a worker needs up to 16 bytes for each.",
        ),
    ] = 50_000_000
    max_document_bytes: Annotated[int, Meta(ge=1, description="Bytes of one PDF file.")] = 32 << 20
    max_pages: Annotated[int, Meta(ge=1, le=10_000, description="Pages of it that one request reads.")] = 100
    max_page_seconds: Annotated[
        float,
        Meta(
            gt=0,
            le=600,
            description="Seconds of processor time that opening a PDF file may take, and reading each of its pages; "
            "one that takes more is refused.",
        ),
    ] = 10.0
    max_audio_bytes: Annotated[int, Meta(ge=1, description="Bytes of one audio file.")] = 64 << 20
    max_audio_seconds: Annotated[
        float,
        Meta(
            gt=0,
            le=86_400,
            description="Seconds of one audio file, counted while it is decoded; a worker needs about 130 kB for each.",
        ),
    ] = 3600.0
    max_video_bytes: Annotated[
        int,
        Meta(
            ge=1,
            le=192 << 20,
            description="Bytes of one video file; a body of HTTP is bounded by `max_message_bytes` too.",
        ),
    ] = 64 << 20
    max_video_pixels: Annotated[
        int,
        Meta(ge=1, le=1 << 26, description="Pixels of one frame of a video; a worker needs up to 64 bytes for each."),
    ] = 4096 * 2304
    max_video_frames: Annotated[
        int, Meta(ge=1, le=1 << 24, description="Frames of one video that is read, and of one that is made of it.")
    ] = 36_000
