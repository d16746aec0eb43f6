"""What a worker answers of a video, and what the graph of the tests makes by its formula."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tests.backends.tasks.frame_interpolation.videos import Pixels
from tests.served_images import served

from panope.worker.v1 import frame_interpolation_pb2 as messages
from panope_backends.media.limits import MediaLimits
from panope_backends.tasks.frame_interpolation import module

TASK = "frame-interpolation"
LIMITS = MediaLimits()


def requests_of(folder: Path, backend: str = "cpu", kind: str = "onnx") -> module.VideoRequests:
    model = served(folder, TASK, backend, kind)
    between = model.requests[TASK].__self__.model  # type: ignore[attr-defined]
    return module.VideoRequests(between, LIMITS)


def message(video: bytes, **fields: Any) -> bytes:
    asked = {"factor": 0 if fields.get("frames_per_second") else 2, "output_format": "mp4"} | fields
    return messages.FrameInterpolationInput(video=video, **asked).SerializeToString()


def parts_of(
    requests: module.VideoRequests, video: bytes, **fields: Any
) -> Iterator[messages.FrameInterpolationOutput]:
    job: Any = requests.prepare(message(video, **fields))
    is_last = False
    try:
        while not is_last:
            data, is_last = job.step()
            yield messages.FrameInterpolationOutput.FromString(data)
    finally:
        job.close()


def made(
    requests: module.VideoRequests, video: bytes, **fields: Any
) -> tuple[messages.FrameInterpolationOutput, bytes]:
    """The last part of an answer, and the file."""
    parts = list(parts_of(requests, video, **fields))
    return parts[-1], b"".join(part.piece.content for part in parts if part.HasField("piece"))


def blended(first: Pixels, second: Pixels, part: float) -> Pixels:
    """What the graph of the tests makes, by its formula."""
    values = np.float32(first) / 255 * np.float32(1 - part) + np.float32(second) / 255 * np.float32(part)
    return np.rint(values * 255).astype(np.uint8)


def assert_alike(found: Sequence[Pixels], wanted: Sequence[Pixels], most: int = 1) -> None:
    assert len(found) == len(wanted)
    for at, (one, other) in enumerate(zip(found, wanted, strict=True)):
        assert one.shape == other.shape
        assert int(np.abs(one.astype(int) - other.astype(int)).max()) <= most, f"frame {at}"
