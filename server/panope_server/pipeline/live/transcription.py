"""What is said in a stream of audio: utterance by utterance, told when it has ended, and before where that is asked.

The detector of voice activity looks at what is kept, which begins in silence, each time there is more. Where an
utterance has ended, because silence follows it or it is long, it is transcribed for good, and what is kept is cut
behind it. While one goes on it is transcribed from its start now and then. Each look and each transcription is a call
of the pipeline like any other, one at a time: a model that is slower than speech tells less in between, and is never
behind by more than what is kept.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace

from panope_server.pipeline.live.incoming import Incoming, looks
from panope_server.pipeline.live.pcm import Pcm
from panope_server.tasks.speech.detect_speech import DetectSpeechInput, DetectSpeechOutput, SpeechPart
from panope_server.tasks.speech.transcribe import TranscribeInput, TranscribeOutput, TranscriptSegment, TranscriptWord
from panope_server.tasks.speech.vad import VadOptions
from panope_server.tasks.task import Input, Output

MAX_UTTERANCE_SECONDS = 28.0
"""Longer ones are cut: with what is around them they fit into a window of 30 seconds."""

#: Kept before what may be the start of speech.
_BEFORE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How a stream is transcribed.

    Attributes:
        pcm: how its samples are written.
        template: how utterances are transcribed; its audio is none.
        vad: what counts as speech; its silence ends an utterance, its padding is transcribed around one.
        partial_seconds: of new audio after which an utterance that goes on is told anew; 0 for never.
    """

    pcm: Pcm
    template: TranscribeInput
    vad: VadOptions
    partial_seconds: float


@dataclass(slots=True)
class Utterance:
    """What was said at a stretch, or what is known of it yet.

    Attributes:
        index: from 0.
        is_final: whether it has ended; what is told before may change.
        start: in seconds from the start of the stream.
        end: of it, or of the audio that it was heard in.
        output: what was said; its times are those of the stream.
    """

    index: int
    is_final: bool
    start: float
    end: float
    output: TranscribeOutput


class LiveTranscription:
    """One stream.

    Args:
        run: answers one input by the stream's model.
        options: how.
    """

    def __init__(self, run: Callable[[Input], Awaitable[Output]], options: LiveOptions) -> None:
        self._run = run
        self._options = options
        self._vad = options.vad
        self._detection = replace(options.vad, padding_seconds=0.0)
        self._index = 0
        self._told = 0.0  # where the audio ended, in the stream, that the open utterance was last told from

    async def check(self) -> None:
        """Finds out whether the model takes the options, by a moment of silence, which costs next to nothing.

        Raises:
            PanopeError: it does not, or cannot be run.
        """
        silence = self._options.pcm.wav(bytes(self._options.pcm.bytes_of(0.1)))
        await self._run(replace(self._options.template, audio=silence, vad=True))

    async def utterances(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[Utterance]:
        """What is said, when it is known.

        Args:
            pieces: samples of the stream, up to its end.

        Raises:
            PanopeError: a call failed, or the stream of pieces did.
        """
        async with Incoming(pieces, self._options.pcm) as audio:
            async for seconds, is_last in looks(audio):
                async for each in self._look(audio, seconds, is_last=is_last):
                    yield each

    async def _look(self, audio: Incoming, seconds: float, *, is_last: bool) -> AsyncIterator[Utterance]:
        """Tells of the audio that is kept now."""
        parts = await self._parts(audio, seconds) if seconds else []
        cut = 0.0
        for part in parts:
            part = SpeechPart(part.start - cut, part.end - cut)
            left = seconds - cut
            silence = left - part.end
            if is_last or silence >= self._vad.min_silence_seconds or part.end - part.start >= MAX_UTTERANCE_SECONDS:
                utterance = await self._transcribed(audio, part, left, is_final=True)
                if utterance.output.text:
                    self._index += 1
                    yield utterance
                gone = min(part.end + self._vad.padding_seconds / 2, left)
                await audio.cut(gone)
                cut += gone
                continue
            if self._is_due(audio.start + left):
                utterance = await self._transcribed(audio, part, left, is_final=False)
                self._told = audio.start + left
                if utterance.output.text:
                    yield utterance
            await audio.cut(self._silence_before(part.start))
        if not parts:
            await audio.cut(self._silence_before(seconds))

    def _silence_before(self, start: float) -> float:
        """What can be forgotten before an utterance; what may be its start stays."""
        return start - self._vad.padding_seconds - max(_BEFORE_SECONDS, self._vad.min_speech_seconds)

    def _is_due(self, end: float) -> bool:
        return 0 < self._options.partial_seconds <= end - self._told

    async def _parts(self, audio: Incoming, seconds: float) -> list[SpeechPart]:
        found = await self._run(DetectSpeechInput(audio.wav(0, seconds), self._detection))
        assert isinstance(found, DetectSpeechOutput)
        return found.parts

    async def _transcribed(self, audio: Incoming, part: SpeechPart, seconds: float, *, is_final: bool) -> Utterance:
        start = max(0.0, part.start - self._vad.padding_seconds)
        end = min(seconds, part.end + self._vad.padding_seconds)
        origin = audio.start + start
        output = await self._run(replace(self._options.template, audio=audio.wav(start, end), vad=False))
        assert isinstance(output, TranscribeOutput)
        return Utterance(
            self._index, is_final, audio.start + part.start, audio.start + part.end, _moved(output, origin)
        )


def _moved(output: TranscribeOutput, seconds: float) -> TranscribeOutput:
    """With times so much later."""
    segments = [_moved_segment(each, seconds) for each in output.segments]
    return TranscribeOutput(segments, output.language, output.duration, output.tokens)


def _moved_segment(segment: TranscriptSegment, seconds: float) -> TranscriptSegment:
    words = [TranscriptWord(each.text, each.start + seconds, each.end + seconds) for each in segment.words]
    return replace(segment, start=segment.start + seconds, end=segment.end + seconds, words=words)
