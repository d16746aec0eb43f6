"""Silence left out of audio: what is left, and where moments of it are in the file."""

import numpy as np
import pytest

from panope_backends.media.voice_activity import RATE, Speech, VadOptions
from panope_backends.tasks.transcribe.speech_only import SpeechOnly

OPTIONS = VadOptions(threshold=0.5, min_silence_seconds=1.0, padding_seconds=0.5)


def speech(*seconds: tuple[float, float]) -> list[Speech]:
    return [Speech(round(start * RATE), round(end * RATE)) for start, end in seconds]


@pytest.fixture
def spoken() -> SpeechOnly:
    """Speech from 10 to 12 and from 20 to 23 of 30 seconds: kept from 9.5 to 12.5, and from 19.5 to 23.5."""
    return SpeechOnly(np.arange(30 * RATE, dtype=np.float32), speech((10, 12), (20, 23)), OPTIONS)


def test_the_parts_lie_one_behind_the_other(spoken):
    assert spoken.samples.size == 7 * RATE
    assert spoken.samples[0] == 9.5 * RATE
    assert spoken.samples[3 * RATE] == 19.5 * RATE


@pytest.mark.parametrize(
    ("here", "start", "end"),
    [
        (0.0, 9.5, 9.5),
        (1.0, 10.5, 10.5),
        (2.7, 19.5, 12.2),  # what starts in the silence behind speech starts with the next
        (3.0, 19.5, 12.5),
        (3.3, 19.8, 12.5),  # what ends in the silence before speech ends with the last
        (4.0, 20.5, 20.5),
        (7.0, 23.5, 23.5),
        (9.0, 25.5, 23.5),
    ],
)
def test_moments_have_their_times_in_the_file(spoken, here, start, end):
    assert spoken.start_of(here) == pytest.approx(start)
    assert spoken.end_of(here) == pytest.approx(end)


def test_parts_whose_padding_touches_are_one():
    whole = SpeechOnly(np.zeros(10 * RATE, np.float32), speech((1, 2), (2.8, 4)), OPTIONS)
    assert whole.samples.size == 4 * RATE
    assert whole.start_of(1.6) == pytest.approx(2.1)
