"""Audio without its silence, and the times that moments of it have in the file."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from panope_backends.media.audio import Samples
from panope_backends.media.voice_activity import RATE, Speech, VadOptions, padded, voice_detector


class SpeechOnly:
    """The parts of audio that are speech, one behind the other.

    Args:
        samples: of the whole file, at the detector's rate.
        speech: the parts that are speech, in their order; at least one.
        options: how much is kept around each.
    """

    def __init__(self, samples: Samples, speech: Sequence[Speech], options: VadOptions) -> None:
        self._kept = padded(speech, samples.size, options)
        self.samples: Samples = np.concatenate([samples[each.start : each.end] for each in self._kept])
        """What is transcribed."""
        self._begins = [0, *accumulate(each.end - each.start for each in self._kept)]
        self._first = [_first_of(speech, each) for each in self._kept]
        self._last = [_last_of(speech, each) for each in self._kept]

    def start_of(self, seconds: float) -> float:
        """Where something starts in the file that starts here; what starts in silence starts with the next speech."""
        place = round(seconds * RATE)
        index = min(bisect_right(self._begins, place), len(self._kept)) - 1
        moment = self._kept[index].start + place - self._begins[index]
        if moment >= self._last[index] and index + 1 < len(self._kept):
            return self._kept[index + 1].start / RATE
        return moment / RATE

    def end_of(self, seconds: float) -> float:
        """Where something ends in the file that ends here; what ends in silence ends with the speech before."""
        place = round(seconds * RATE)
        index = max(0, min(bisect_left(self._begins, place), len(self._kept)) - 1)
        moment = self._kept[index].start + min(place - self._begins[index], self._length(index))
        if moment <= self._first[index] and index:
            return self._kept[index - 1].end / RATE
        return moment / RATE

    def _length(self, index: int) -> int:
        return self._kept[index].end - self._kept[index].start


def speech_only(samples: Samples, options: VadOptions) -> SpeechOnly | None:
    """The speech of a file; None where there is none.

    Args:
        samples: at the detector's rate.
        options: what counts as speech.

    Raises:
        PreconditionError: the detector is not installed.
    """
    found = voice_detector().speech(samples, options)
    return SpeechOnly(samples, found, options) if found else None


def _first_of(speech: Sequence[Speech], kept: Speech) -> int:
    return next(each.start for each in speech if each.start >= kept.start)


def _last_of(speech: Sequence[Speech], kept: Speech) -> int:
    return next(each.end for each in reversed(speech) if each.end <= kept.end)
