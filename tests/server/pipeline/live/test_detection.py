"""Parts of a stream that are speech: told when they are heard, and ended where they end in a file."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator
from io import BytesIO

import numpy as np
import pytest

from panope_backends.errors import InstanceLostError
from panope_backends.media.voice_activity import Speech, padded
from panope_backends.media.voice_activity import VadOptions as DetectorOptions
from panope_server.pipeline.live.detection import DetectionOptions, LiveDetection, SpokenPart
from panope_server.pipeline.live.pcm import Pcm
from panope_server.tasks.speech.detect_speech import DetectSpeechInput, DetectSpeechOutput, SpeechPart
from panope_server.tasks.speech.vad import OF_DETECTION, VadOptions
from panope_server.tasks.task import Input, Output

RATE = 8_000
PCM = Pcm(RATE)


def found_in(samples: np.ndarray, options: VadOptions) -> list[SpeechPart]:
    """Samples that are not 0 are speech; what silence parts, and padding joins, as a worker has it."""
    loud = np.flatnonzero(samples)
    parts = (
        np.split(loud, np.flatnonzero(np.diff(loud) > max(1, options.min_silence_seconds * RATE)) + 1)
        if loud.size
        else []
    )
    kept = [(each[0] / RATE, (each[-1] + 1) / RATE) for each in parts]
    least = options.min_speech_seconds
    speech = [Speech(round(a * 16_000), round(b * 16_000)) for a, b in kept if b - a >= least - 1e-9]
    how = DetectorOptions(0.5, options.min_silence_seconds, options.padding_seconds)
    told = padded(speech, round(samples.size / RATE * 16_000), how)
    return [SpeechPart(each.start / 16_000, each.end / 16_000) for each in told]


class Model:
    """A worker, and the seconds of audio that it was asked about."""

    def __init__(self) -> None:
        self.heard: list[float] = []
        self.failure: Exception | None = None
        self.was_asked = asyncio.Event()

    async def run(self, task_input: Input) -> Output:
        assert isinstance(task_input, DetectSpeechInput)
        if self.failure is not None:
            raise self.failure
        await asyncio.sleep(0)
        with wave.open(BytesIO(task_input.audio)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        self.heard.append(samples.size / RATE)
        self.was_asked.set()
        return DetectSpeechOutput(self.found(samples, task_input.vad_options), samples.size / RATE)

    def found(self, samples: np.ndarray, options: VadOptions) -> list[SpeechPart]:
        return found_in(samples, options)


def audio_of(*parts: tuple[int, float]) -> bytes:
    return b"".join(np.full(round(seconds * RATE), value, "<i2").tobytes() for value, seconds in parts)


async def pieces_of(data: bytes, size: int = 1601) -> AsyncIterator[bytes]:
    for begin in range(0, len(data), size):
        yield data[begin : begin + size]
        await asyncio.sleep(0)


async def told(model: Model, data: bytes, vad: VadOptions = OF_DETECTION) -> list[SpokenPart]:
    live = LiveDetection(model.run, DetectionOptions(PCM, vad))
    return [each async for each in live.parts(pieces_of(data))]


TALK = audio_of(
    *((0, 1.0), (7, 2.0), (0, 0.05), (8, 0.5), (0, 1.0)),
    *((9, 0.1), (0, 3.0), (5, 0.4), (0, 0.3), (5, 40.0), (0, 0.5), (6, 1.0)),
)


@pytest.mark.parametrize(
    "vad",
    [
        OF_DETECTION,
        VadOptions(0.5, 0.0, 0.0, 0.0),
        VadOptions(0.5, 0.1, 0.4, 0.25),
        VadOptions(0.5, 2.0, 1.0, 0.0),
        VadOptions(0.5, 10.0, 0.0, 10.0),
        VadOptions(0.5, 0.2, 0.0, 3.0),
    ],
    ids=str,
)
async def test_parts_end_where_they_end_in_the_whole_file(vad):
    model = Model()
    finals = [each for each in await told(model, TALK, vad) if each.is_final]
    right = found_in(np.frombuffer(TALK, "<i2"), vad)
    assert [each.index for each in finals] == list(range(len(right)))
    assert [each.start for each in finals] == pytest.approx([each.start for each in right], abs=0.001)
    assert [each.end for each in finals] == pytest.approx([each.end for each in right], abs=0.001)
    assert max(model.heard) < 60


async def test_a_part_is_told_when_it_is_heard():
    heard = asyncio.Event()

    async def as_spoken() -> AsyncIterator[bytes]:
        yield audio_of((0, 1.0), (7, 1.0))
        await heard.wait()
        yield audio_of((7, 1.0), (0, 1.0))

    found = []
    live = LiveDetection(Model().run, DetectionOptions(PCM, OF_DETECTION))
    async with asyncio.timeout(10):
        async for each in live.parts(as_spoken()):
            found.append(each)
            heard.set()
    assert [(each.index, each.is_final) for each in found] == [(0, False), (0, True)]
    assert found[0].start == found[1].start == pytest.approx(1.0, abs=0.001)
    assert found[0].end == pytest.approx(2.0, abs=0.001)
    assert found[1].end == pytest.approx(3.0, abs=0.001)


async def test_each_part_is_told_twice_at_most():
    found = await told(Model(), TALK)
    assert [each.index for each in found] == sorted(each.index for each in found)
    assert len({(each.index, each.is_final) for each in found}) == len(found)


async def test_long_silence_and_long_speech_keep_little():
    model = Model()
    found = await told(model, audio_of((0, 300.0), (7, 300.0)))
    assert [(each.index, each.is_final) for each in found] == [(0, False), (0, True)]
    assert (found[1].start, found[1].end) == pytest.approx((300.0, 600.0), abs=0.001)
    assert max(model.heard) < 40


async def test_a_call_that_fails_ends_the_stream():
    model = Model()

    async def until_lost() -> AsyncIterator[bytes]:
        yield audio_of((7, 1.0))
        await model.was_asked.wait()
        model.failure = InstanceLostError("the worker was lost")
        yield audio_of((7, 1.0))

    stream = LiveDetection(model.run, DetectionOptions(PCM, OF_DETECTION)).parts(until_lost())
    assert not (await anext(stream)).is_final
    with pytest.raises(InstanceLostError):
        await anext(stream)


def in_frames(samples: np.ndarray) -> np.ndarray:
    """As a detector hears them that tells of 32 milliseconds whether they have speech."""
    size = 32 * RATE // 1000
    frames = np.pad(samples, (0, -samples.size % size)).reshape(-1, size)
    return np.repeat(frames.any(axis=1), size)[: samples.size]


class ModelOfFrames(Model):
    def found(self, samples: np.ndarray, options: VadOptions) -> list[SpeechPart]:
        return found_in(in_frames(samples), options)


async def test_a_detector_sees_the_frames_that_it_would_see_in_a_file():
    finals = [each for each in await told(ModelOfFrames(), TALK) if each.is_final]
    right = found_in(in_frames(np.frombuffer(TALK, "<i2")), OF_DETECTION)
    assert [(each.start, each.end) for each in finals] == [
        pytest.approx((each.start, each.end), abs=0.001) for each in right
    ]
