"""The windows in which long audio is read, as `AutomaticSpeechRecognitionPipeline(chunk_length_s=30)` cuts it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

WINDOW_SECONDS = 30.0
"""Of audio at once."""

MARGIN_SECONDS = 5.0
"""On either side of a window, which are read for what is between and told by the neighbours."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of audio.

    Attributes:
        begin: its first sample.
        end: the one after its last.
        first: the first of its frames that is told.
        last: the frame after the last of these.
        is_last: whether none follows.
    """

    begin: int
    end: int
    first: int
    last: int
    is_last: bool


def windows_of(samples: int, rate: int, step: int) -> Iterator[Window]:
    """The windows of audio, at least one.

    Args:
        samples: of the audio.
        rate: of them, in a second.
        step: samples from one frame to the next.
    """
    length, margin = (round(seconds * rate / step) * step for seconds in (WINDOW_SECONDS, MARGIN_SECONDS))
    begin = 0
    while True:
        end = min(samples, begin + length)
        is_last = begin + length >= samples
        frames = round((end - begin) / step)
        left = margin // step if begin else 0
        yield Window(begin, end, left, frames if is_last else frames - margin // step, is_last)
        if is_last:
            return
        begin += length - 2 * margin
