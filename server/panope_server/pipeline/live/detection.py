"""Speech in a stream of audio: each part told when it is heard, and when it has ended.

As for transcriptions, the detector looks at what is kept each time there is more, as a call of the pipeline. What
is kept begins in silence, or seconds before the last speech that was heard of a part that goes on for long.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from panope_server.pipeline.live.incoming import Incoming, looks
from panope_server.pipeline.live.pcm import Pcm
from panope_server.tasks.speech.detect_speech import DetectSpeechInput, DetectSpeechOutput, SpeechPart
from panope_server.tasks.speech.vad import VadOptions
from panope_server.tasks.task import Input, Output

#: Kept of a part that goes on, so that the detector, which begins anew, hears it again.
_AGAIN_SECONDS = 2.0
#: Without which no part has ended: speech may go on where the audio ends that has come.
_LEAST_SILENCE_SECONDS = 0.1
#: Kept before speech, and before what may be its start.
_BEFORE_SECONDS = 1.0
#: Kept of a part that goes on, before all but its end is forgotten.
_LONG_SECONDS = 30.0
#: That the detector looks at together. What is kept begins with a whole frame, counted from the start of the stream, so
#: that it is looked at as it is in a file; where parts end, one begins.
_FRAME_SECONDS = 0.032


@dataclass(frozen=True, slots=True)
class DetectionOptions:
    """How speech is looked for in a stream.

    Attributes:
        pcm: how its samples are written.
        vad: what counts as speech.
    """

    pcm: Pcm
    vad: VadOptions


@dataclass(frozen=True, slots=True)
class SpokenPart:
    """A part that is speech.

    Attributes:
        index: from 0.
        is_final: whether it has ended.
        start: in seconds from the start of the stream.
        end: of it, or where it was last heard.
    """

    index: int
    is_final: bool
    start: float
    end: float


class LiveDetection:
    """One stream.

    Args:
        run: answers one input by the stream's model.
        options: how.
    """

    def __init__(self, run: Callable[[Input], Awaitable[Output]], options: DetectionOptions) -> None:
        self._run, self._pcm = run, options.pcm
        self._padding = options.vad.padding_seconds
        #: As in a file, padding joins parts between which is less than two of it.
        self._gap = max(options.vad.min_silence_seconds, 2 * self._padding, _LEAST_SILENCE_SECONDS)
        self._kept_speech = options.vad.min_speech_seconds
        self._detection = replace(options.vad, padding_seconds=0.0)
        self._index = 0
        self._open: SpeechPart | None = None  # in the stream; told, and not ended

    async def check(self) -> None:
        """Finds out whether the model can be asked, by a moment of silence.

        Raises:
            PanopeError: it cannot.
        """
        await self._found(self._pcm.wav(bytes(self._pcm.bytes_of(0.1))))

    async def parts(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[SpokenPart]:
        """The parts that are speech, when they are heard.

        Args:
            pieces: samples of the stream, up to its end.

        Raises:
            PanopeError: a call failed, or the stream of pieces did.
        """
        async with Incoming(pieces, self._pcm) as audio:
            async for seconds, is_last in looks(audio):
                begin, now = audio.start, audio.start + seconds
                found = await self._found(audio.wav(0, seconds)) if seconds else []
                parts = list(self._joined(SpeechPart(begin + each.start, begin + each.end) for each in found))
                goes_on = bool(parts) and not is_last and now - parts[-1].end < self._gap
                rest = parts.pop() if goes_on else None
                for each in parts:
                    yield self._told(each, now, is_final=True)
                if rest is not None and (self._open is None or parts):
                    yield self._told(rest, now, is_final=False)
                self._open = rest
                await audio.cut(self._needless(parts, rest, now) - begin)

    async def _found(self, audio: bytes) -> list[SpeechPart]:
        found = await self._run(DetectSpeechInput(audio, self._detection))
        assert isinstance(found, DetectSpeechOutput)
        return found.parts

    def _joined(self, found: Iterable[SpeechPart]) -> Iterator[SpeechPart]:
        """What was found behind the part that is open; parts that padding joins are one, as in a file."""
        last = self._open
        for part in found:
            if last is None:
                last = part
            elif part.start - last.end <= 2 * self._padding:
                last = SpeechPart(last.start, part.end)
            else:
                yield last
                last = part
        if last is not None:
            yield last

    def _told(self, part: SpeechPart, now: float, *, is_final: bool) -> SpokenPart:
        index = self._index
        self._index += is_final
        return SpokenPart(index, is_final, max(0.0, part.start - self._padding), min(now, part.end + self._padding))

    def _needless(self, ended: list[SpeechPart], rest: SpeechPart | None, now: float) -> float:
        """The moment before which nothing is needed any more."""
        needed = now - self._kept_speech - _BEFORE_SECONDS
        if rest is not None:
            is_long = now - rest.start > _LONG_SECONDS
            needed = rest.end - self._kept_speech - _AGAIN_SECONDS if is_long else rest.start - _BEFORE_SECONDS
        needed = math.floor(needed / _FRAME_SECONDS) * _FRAME_SECONDS
        return max(needed, ended[-1].end) if ended else needed
