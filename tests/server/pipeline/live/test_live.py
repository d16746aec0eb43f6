"""Utterances of a stream: parted by silence, told when they have ended and before, with bounded memory."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator
from io import BytesIO

import numpy as np
import pytest

from panope_backends.errors import InstanceLostError, InvalidInputError
from panope_server.pipeline.live.incoming import Incoming
from panope_server.pipeline.live.pcm import Pcm
from panope_server.pipeline.live.transcription import LiveOptions, LiveTranscription, Utterance
from panope_server.tasks.speech.detect_speech import DetectSpeechInput, DetectSpeechOutput, SpeechPart
from panope_server.tasks.speech.transcribe import TranscribeInput, TranscribeOutput, TranscriptSegment, TranscriptWord
from panope_server.tasks.speech.vad import VadOptions
from panope_server.tasks.task import Input, Output

RATE = 8_000
PCM = Pcm(RATE)


def samples_of(wav: bytes) -> np.ndarray:
    with wave.open(BytesIO(wav)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


class Model:
    """Takes samples that are not 0 for speech, whose first sample is what is said."""

    def __init__(self) -> None:
        self.heard: list[float] = []
        self.failure: Exception | None = None
        self.was_asked, self.was_heard = asyncio.Event(), asyncio.Event()

    async def run(self, task_input: Input) -> Output:
        if self.failure is not None:
            raise self.failure
        self.was_asked.set()
        for _ in range(5):  # others go on meanwhile
            await asyncio.sleep(0)
        if isinstance(task_input, DetectSpeechInput):
            return self._found(task_input)
        assert isinstance(task_input, TranscribeInput)
        samples = samples_of(task_input.audio)
        loud = np.flatnonzero(samples)
        self.heard.append(samples.size / RATE)
        self.was_heard.set()
        if not loud.size:
            return TranscribeOutput()
        start, end = loud[0] / RATE, (loud[-1] + 1) / RATE
        words = [TranscriptWord(f" {samples[loud[0]]}", start, end)]
        segment = TranscriptSegment(0, start, end, words[0].text, [1], 0.0, 1.0, words)
        return TranscribeOutput([segment], "en", samples.size / RATE, 1)

    def _found(self, task_input: DetectSpeechInput) -> DetectSpeechOutput:
        samples = samples_of(task_input.audio)
        gap = task_input.vad_options.min_silence_seconds
        loud = np.flatnonzero(samples)
        groups = np.split(loud, np.flatnonzero(np.diff(loud) >= gap * RATE) + 1) if loud.size else []
        parts = [SpeechPart(float(each[0]) / RATE, float(each[-1] + 1) / RATE) for each in groups]
        return DetectSpeechOutput(parts, samples.size / RATE)


def live(model: Model, partial_seconds: float = 0.0) -> LiveTranscription:
    template = TranscribeInput(b"", language="en", words=True)
    return LiveTranscription(model.run, LiveOptions(PCM, template, VadOptions(0.5, 0.5, 0.2, 0.1), partial_seconds))


def audio_of(*parts: tuple[int, float]) -> bytes:
    """Values, each for so many seconds."""
    return b"".join(np.full(round(seconds * RATE), value, "<i2").tobytes() for value, seconds in parts)


async def pieces_of(data: bytes, size: int = 1601) -> AsyncIterator[bytes]:
    """Of an odd size, so that samples are cut in two."""
    for begin in range(0, len(data), size):
        yield data[begin : begin + size]
        await asyncio.sleep(0)


async def told(transcription: LiveTranscription, data: bytes) -> list[Utterance]:
    return [each async for each in transcription.utterances(pieces_of(data))]


async def test_silence_parts_utterances_whose_times_are_those_of_the_stream():
    found = await told(live(Model()), audio_of((0, 1.0), (7, 2.0), (0, 1.0), (8, 1.5), (0, 0.2), (9, 0.5)))
    assert [(each.index, each.is_final, each.output.text) for each in found] == [(0, True, "7"), (1, True, "8")]
    assert [each.start for each in found] == pytest.approx([1.0, 4.0], abs=0.01)
    assert [each.end for each in found] == pytest.approx([3.0, 6.2], abs=0.01)
    for each in found:
        (segment,) = each.output.segments
        assert (segment.start, segment.end) == pytest.approx((each.start, each.end), abs=0.02)
        assert segment.words[0].start == pytest.approx(each.start, abs=0.02)


async def test_an_utterance_that_goes_on_is_told_again_under_its_number():
    found = await told(live(Model(), partial_seconds=0.5), audio_of((0, 0.5), (7, 4.0), (0, 1.0)))
    assert len(found) > 2
    assert [each.is_final for each in found] == [False] * (len(found) - 1) + [True]
    assert {each.index for each in found} == {0}
    ends = [each.end for each in found]
    assert ends == sorted(ends)


async def test_silence_runs_no_model_and_is_not_kept():
    model = Model()
    assert await told(live(model), audio_of((0, 90.0))) == []
    assert model.heard == []


async def test_speech_without_a_pause_is_cut():
    model = Model()
    found = await told(live(model), audio_of((7, 100.0)))
    assert all(each.is_final for each in found)
    assert len(found) >= 2
    assert found[-1].end == pytest.approx(100.0, abs=0.2)
    assert max(model.heard) < 62


async def test_what_came_while_the_model_was_at_work_is_told_though_no_more_comes():
    model, told_all = Model(), asyncio.Event()

    async def in_two_pieces() -> AsyncIterator[bytes]:
        yield audio_of((0, 0.4))
        await model.was_asked.wait()
        yield audio_of((7, 1.0), (0, 0.6))
        await told_all.wait()

    async with asyncio.timeout(10):
        async for each in live(model).utterances(in_two_pieces()):
            assert each.is_final
            told_all.set()
    assert told_all.is_set()


async def test_silence_before_an_utterance_that_goes_on_makes_no_stream_stand_still():
    async def at_once() -> AsyncIterator[bytes]:
        yield audio_of((0, 45.0), (7, 25.0))  # more than is kept, and the utterance is not long enough to be cut
        yield audio_of((7, 1.0), (0, 1.0))

    async with asyncio.timeout(30):
        (found,) = [each async for each in live(Model()).utterances(at_once())]
    assert (found.start, found.end) == pytest.approx((45.0, 71.0), abs=0.01)


async def test_a_stream_is_not_read_while_too_much_is_kept():
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield audio_of((7, 1.0))
            await asyncio.sleep(0)

    async with Incoming(endless(), PCM) as audio:
        await audio.reached(1000.0)
        for _ in range(50):
            await asyncio.sleep(0)
        assert read == 61, "a minute, and one piece that waits"
        await audio.cut(10.0)
        await audio.reached(70.0)
        assert (audio.start, audio.seconds) == (10.0, 60.0)


async def test_a_call_that_fails_ends_the_stream():
    model = Model()

    async def until_lost() -> AsyncIterator[bytes]:
        yield audio_of((0, 0.2), (7, 1.0), (0, 1.0))
        await model.was_heard.wait()
        model.failure = InstanceLostError("the worker was lost")
        yield audio_of((7, 1.0))

    stream = live(model).utterances(until_lost())
    assert (await anext(stream)).output.text == "7"
    with pytest.raises(InstanceLostError):
        await anext(stream)


async def test_a_stream_that_breaks_fails_as_it_broke():
    async def broken() -> AsyncIterator[bytes]:
        yield audio_of((0, 0.1))
        raise InvalidInputError.at("audio", "{field} is wrong")

    with pytest.raises(InvalidInputError):
        [each async for each in live(Model()).utterances(broken())]


async def test_options_are_checked_by_a_moment_of_silence():
    model = Model()
    await live(model).check()
    assert model.heard == [pytest.approx(0.1)]
    model.failure = InvalidInputError.at("language", "{field} is none")
    with pytest.raises(InvalidInputError):
        await live(model).check()


@pytest.mark.parametrize(("pcm", "kind"), [(Pcm(16_000), "<i2"), (Pcm(44_100, is_float=True), "<f4")])
def test_samples_are_a_file_that_decoders_read(pcm, kind):
    from panope_backends.media.audio import decode_audio
    from panope_backends.media.limits import MediaLimits

    values = np.linspace(-0.5, 0.5, pcm.rate)
    data = (values * 32768 if kind == "<i2" else values).astype(kind).tobytes()
    assert pcm.seconds_of(len(data)) == 1.0
    assert decode_audio(pcm.wav(data), pcm.rate, MediaLimits()) == pytest.approx(values, abs=1e-4)
