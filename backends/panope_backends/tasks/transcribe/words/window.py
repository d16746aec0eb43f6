"""The words of one window, with the times that they have in the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from panope.worker.v1.transcribe_pb2 import TranscribeWord
from panope_backends.tasks.transcribe.audio_input import FileClock
from panope_backends.tasks.transcribe.segments import Segment
from panope_backends.tasks.transcribe.words.splitting import words_of


@dataclass(frozen=True)
class WindowWords:
    """What makes words of segments.

    Attributes:
        begin: of the window, in seconds of what is transcribed.
        times: of each token of the window, as `token_times` has them.
        eos: the token that ends an answer; ids below it are text.
        text: makes text of tokens.
        language: that is spoken, as a code; empty for one that nobody told.
        clock: tells the times of the file.
    """

    begin: float
    times: Sequence[float]
    eos: int
    text: Callable[[Sequence[int]], str]
    language: str
    clock: FileClock

    def of(self, segment: Segment) -> Iterator[TranscribeWord]:
        """The words of a segment; each starts when the token before it was done with, as transformers has it."""
        places = [index for index, token in enumerate(segment.tokens, segment.first) if token < self.eos]
        tokens = [segment.tokens[place - segment.first] for place in places]
        for word in words_of(tokens, self.text, self.language):
            first, last = places[word.begin], places[word.end - 1]
            start = self.times[first - 1] if first else 0.0
            start, end = self.clock.span(self.begin + start, self.begin + self.times[last])
            yield TranscribeWord(text=word.text, start=start, end=end)
