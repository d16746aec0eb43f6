"""Videos for tests, whose frames are known, written so that nothing of them is lost."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def moving(count: int, width: int = 64, height: int = 48) -> list[Pixels]:
    """A bright square that moves over a gradient, a frame further each time."""
    down, across = np.mgrid[:height, :width]
    ground = np.stack([across * 255 // max(1, width), down * 255 // max(1, height), (across + down) % 256], axis=2)
    frames = []
    for at in range(count):
        frame = ground.astype(np.uint8)
        left = 2 + at * 3
        frame[height // 4 : height // 2, left : left + 8] = (250, 240, 10)
        frames.append(frame)
    return frames


def lossless(
    frames: Sequence[Pixels],
    *,
    ticks: Sequence[int] | None = None,
    rate: int = 10,
    sound: str = "",
    kind: str = "matroska",
) -> bytes:
    """A file of frames as they are.

    Args:
        frames: one after another.
        ticks: when each is shown, in milliseconds; at the rate by default.
        rate: frames in a second.
        sound: the codec of a tone beside them, for as long; empty for none.
        kind: of the file.
    """
    sink = io.BytesIO()
    with av.open(sink, "w", format=kind) as container:
        stream: Any = container.add_stream("ffv1", rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "bgr0"
        stream.codec_context.time_base = Fraction(1, 1000)
        tone: Any = container.add_stream(sound, rate=48_000) if sound else None
        for at, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts = ticks[at] if ticks else at * 1000 // rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if tone is not None:
            _add_tone(container, tone, len(frames) / rate)
    return sink.getvalue()


def _add_tone(container: Any, stream: Any, seconds: float) -> None:
    samples = np.sin(np.arange(int(48_000 * seconds)) * 440 * 2 * np.pi / 48_000).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
    frame.sample_rate = 48_000
    resampler = av.AudioResampler(stream.format, stream.layout, 48_000, stream.codec_context.frame_size or 960)
    frames = [*resampler.resample(frame), *resampler.resample(None)]
    for each in frames:
        container.mux(stream.encode(each))
    container.mux(stream.encode())


def shown(file: bytes) -> list[tuple[float, Pixels]]:
    """The frames of a file, each with the second at which it is shown."""
    with av.open(io.BytesIO(file)) as container:
        return [(float(frame.time or 0), frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
