"""A few frames of a video, evenly over its length, as transformers' processors of videos choose them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panope_backends.errors import InvalidInputError
from panope_backends.media.limits import MediaLimits
from panope_backends.media.video_reader import Pixels, TimedFrame, VideoReader


@dataclass(frozen=True)
class SampledFrames:
    """Frames of a video.

    Attributes:
        frames: in their order.
        numbers: which of the video's they are, from 0.
        total: frames of the video.
    """

    frames: list[Pixels]
    numbers: list[int]
    total: int


def sample_frames(data: bytes, count: int, limits: MediaLimits, field: str = "video") -> SampledFrames:
    """So many frames of a video, the first of them its first; all of it is decoded, and no others are kept.

    Args:
        data: the file's bytes.
        count: how many, at least 1.
        limits: that the video must keep.
        field: of the request, for errors.

    Raises:
        InvalidInputError: it cannot be read, or has fewer frames.
    """
    with_header = _header_count(data, limits, field)
    found = _read(data, count, with_header, limits, field) if with_header >= count else None
    if found is None or found.total != with_header:  # headers tell of other frames than there are, or of none
        total = _count(data, limits, field) if found is None else found.total
        if total < count:
            raise InvalidInputError.at(
                field, "{field} has {total:,} frames; the model looks at {count:,}", total=total, count=count
            )
        found = _read(data, count, total, limits, field)
    return found


def sampled_numbers(count: int, total: int) -> list[int]:
    """Which frames of so many are looked at."""
    return [int(number) for number in np.arange(count) * (total / count)]


def _header_count(data: bytes, limits: MediaLimits, field: str) -> int:
    reader = VideoReader(data, limits, field)
    reader.close()
    return int(reader.frames)


def _count(data: bytes, limits: MediaLimits, field: str) -> int:
    return _read(data, 0, 0, limits, field).total


def _read(data: bytes, count: int, total: int, limits: MediaLimits, field: str) -> SampledFrames:
    numbers = sampled_numbers(count, total) if count else []
    wanted, frames, seen = set(numbers), {}, 0
    reader = VideoReader(data, limits, field)
    try:
        for part in reader.parts():
            if not isinstance(part, TimedFrame):
                continue
            if seen in wanted:
                frames[seen] = part.pixels
            seen += 1
    finally:
        reader.close()
    return SampledFrames([frames[number] for number in numbers if number in frames], numbers, seen)
