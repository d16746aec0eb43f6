"""One file of audio on its way through a CTC model: a window each step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from panope.worker.v1 import transcribe_pb2 as messages
from panope_backends.api import TensorModel
from panope_backends.errors import InternalError
from panope_backends.media.audio import Samples
from panope_backends.model_facts.audio_models import FrameGrid
from panope_backends.tasks.task import DeviceJob
from panope_backends.tasks.transcribe.audio_input import AudioInput
from panope_backends.tasks.transcribe.ctc.vocabulary import CtcVocabulary
from panope_backends.tasks.transcribe.ctc.windows import windows_of
from panope_backends.tasks.transcribe.ctc.words import GreedyWords, Word, phrases_of
from panope_backends.tasks.transcribe.features import FeatureReader
from panope_backends.tasks.transcribe.segments import compression_ratio

PAUSE_SECONDS = 0.5
"""Without a letter, which part segments."""

INPUT, OUTPUT = "input_values", "logits"
"""The names of what a model takes and gives."""


@dataclass(frozen=True)
class CtcListener:
    """A loaded model, and what it is read by.

    Attributes:
        model: to run.
        reader: makes its input of samples.
        vocabulary: of its frames.
        grid: how samples become frames.
    """

    model: TensorModel
    reader: FeatureReader
    vocabulary: CtcVocabulary
    grid: FrameGrid

    def logits(self, samples: Samples) -> NDArray[np.float32]:
        """Frames × vocabulary.

        Raises:
            InternalError: the model's answer is none.
        """
        given = self.model.run({INPUT: self.reader.waveform(samples)[np.newaxis]}, (OUTPUT,))[OUTPUT]
        if given.ndim != 3 or not np.isfinite(given).all():
            raise InternalError("the model gave no numbers for each frame")
        logits: NDArray[np.float32] = given[0]
        return logits


class CtcJob(DeviceJob):
    """A call of task `transcribe`.

    Args:
        listener: of the model.
        audio: of the call, with samples of one frame at least.
        parts: whether pauses part audio of one window into segments.
        tells_words: whether words are told with their times.
    """

    def __init__(self, listener: CtcListener, audio: AudioInput, *, parts: bool, tells_words: bool = False) -> None:
        self._listener, self._audio = listener, audio
        self._rate = listener.reader.rate
        self._windows = windows_of(audio.samples.size, self._rate, listener.grid.step)
        self._parts, self._tells_words = parts, tells_words
        self._words = GreedyWords(listener.vocabulary)
        self._is_first = True
        self._count = 0

    def step(self) -> tuple[bytes, bool]:
        """The segments of a window, whose last word the next one may complete."""
        window = next(self._windows)
        logits = self._listener.logits(self._audio.samples[window.begin : window.end])
        first = window.begin // self._listener.grid.step + window.first
        words = self._words.take(logits[window.first : window.last], first)
        if window.is_last:
            words += self._words.rest()
        one = self._is_first and window.is_last and not self._parts
        self._is_first = False
        pause = round(PAUSE_SECONDS * self._rate / self._listener.grid.step)
        phrases = ([words] if words else []) if one else phrases_of(words, pause)
        segments = [self._segment(each) for each in phrases]
        output = messages.TranscribeOutput(
            segments=segments,
            duration=self._audio.clock.duration,
            tokens=sum(len(segment.token_ids) for segment in segments),
        )
        return output.SerializeToString(), window.is_last

    def _segment(self, words: Sequence[Word]) -> messages.TranscribeSegment:
        text = self._listener.vocabulary.text([sign for word in words for sign in word.signs])
        logprobs = [logprob for word in words for logprob in word.logprobs]
        start, end = self._span(words)
        index, self._count = self._count, self._count + 1
        return messages.TranscribeSegment(
            index=index,
            start=start,
            end=end,
            text=text,
            token_ids=[number for word in words for number in word.token_ids],
            avg_logprob=sum(logprobs) / len(logprobs),
            compression_ratio=compression_ratio(text),
            words=self._words_of(words) if self._tells_words else (),
        )

    def _words_of(self, words: Sequence[Word]) -> Iterator[messages.TranscribeWord]:
        for word in words:
            start, end = self._span([word])
            yield messages.TranscribeWord(text=self._listener.vocabulary.text(word.signs), start=start, end=end)

    def _span(self, words: Sequence[Word]) -> tuple[float, float]:
        """From the first letter of the first to the last of the last, in the file."""
        seconds = self._listener.grid.step / self._rate
        return self._audio.clock.span(words[0].start * seconds, words[-1].end * seconds)
