"""Which frames a new video has, and when each is shown."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from fractions import Fraction

#: Of a file's ticks, in seconds: finer ones do not fit into the numbers that it has for them.
_FINEST = Fraction(1, 10_000_000)

Shown = tuple[int, Fraction]
"""When a frame is shown, in ticks of the new video, and how far from the earlier of two frames to the later it is."""


class Timeline(ABC):
    """The frames of a new video, in their order.

    Attributes:
        time_base: seconds of a tick of the new video.
        rate: frames that it shows in a second, about.
    """

    time_base: Fraction
    rate: Fraction

    @abstractmethod
    def between(self, first: int, second: int) -> Iterator[Shown]:
        """Those that are shown from an earlier frame on, until before the later one, each with its part below 1.

        Args:
            first: when the earlier frame is shown, in ticks of the video that was given.
            second: the same of the later one.
        """

    @abstractmethod
    def count(self, first: int, second: int) -> int:
        """How many those are."""

    @abstractmethod
    def last(self, ticks: int) -> Iterator[Shown]:
        """What is shown when the last frame is; nothing where no frame falls on it."""

    @abstractmethod
    def total(self, frames: int) -> int:
        """How many frames the new video will have, about, of one of so many; 0 of one of an unknown number."""


class Multiplied(Timeline):
    """So many frames for each that there was, at equal distances.

    Args:
        time_base: of the video that was given.
        rate: of it.
        factor: how many.
    """

    def __init__(self, time_base: Fraction, rate: Fraction, factor: int) -> None:
        finest = time_base / factor
        self.time_base, self.rate = finest if finest.denominator <= _FINEST.denominator else _FINEST, rate * factor
        self._factor, self._ticks = factor, finest / self.time_base

    def between(self, first: int, second: int) -> Iterator[Shown]:
        """The earlier frame, and those behind it."""
        for step in range(self._factor):
            yield self._tick(first * self._factor + (second - first) * step), Fraction(step, self._factor)

    def count(self, first: int, second: int) -> int:
        """As many each time."""
        del first, second
        return self._factor

    def last(self, ticks: int) -> Iterator[Shown]:
        """The last frame."""
        yield self._tick(ticks * self._factor), Fraction(0)

    def total(self, frames: int) -> int:
        """None behind the last."""
        return max(0, (frames - 1) * self._factor + 1)

    def _tick(self, finest: int) -> int:
        return round(finest * self._ticks)


class Resampled(Timeline):
    """Frames at a rate, from the first frame's time on.

    Args:
        time_base: of the video that was given.
        rate: of it.
        wanted: frames that are shown in a second.
    """

    def __init__(self, time_base: Fraction, rate: Fraction, wanted: Fraction) -> None:
        self.time_base, self.rate = 1 / wanted, wanted
        self._ticks = wanted * time_base  # of the new video for one of the given
        self._given_rate = rate
        self._start: int | None = None

    def between(self, first: int, second: int) -> Iterator[Shown]:
        """Those whose time has come."""
        begin, end = self._span(first, second)
        for tick in range(math.ceil(begin), math.ceil(end)):
            yield self._tick(tick), (tick - begin) / (end - begin)

    def count(self, first: int, second: int) -> int:
        """Those whose time has come."""
        begin, end = self._span(first, second)
        return math.ceil(end) - math.ceil(begin)

    def last(self, ticks: int) -> Iterator[Shown]:
        """The last frame, where its time is that of a frame; without a frame before it, always."""
        is_only = self._start is None
        tick = (ticks - self._begin(ticks)) * self._ticks
        if is_only or tick.denominator == 1:
            yield self._tick(int(tick)), Fraction(0)

    def total(self, frames: int) -> int:
        """By how long so many frames are shown."""
        return int((frames - 1) / self._given_rate * self.rate) + 1 if frames else 0

    def _span(self, first: int, second: int) -> tuple[Fraction, Fraction]:
        """From when to when, in ticks of the new video from its first frame on."""
        start = self._begin(first)
        return (first - start) * self._ticks, (second - start) * self._ticks

    def _begin(self, ticks: int) -> int:
        """When the first frame of all is shown."""
        if self._start is None:
            self._start = ticks
            self._offset = round(ticks * self._ticks)
        return self._start

    def _tick(self, tick: int) -> int:
        return tick + self._offset
