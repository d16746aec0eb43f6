"""One file of audio on its way through the worker: window after window, each where the one before has led."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope.worker.v1 import transcribe_pb2 as messages
from panope_backends.api import (
    GenerationRequest,
    SamplingParams,
    SourceFeatures,
    TimestampRules,
    TokenDelta,
    TokenRules,
)
from panope_backends.tasks.task import TokenJob
from panope_backends.tasks.transcribe.audio_input import FileClock
from panope_backends.tasks.transcribe.features import AudioFeatures
from panope_backends.tasks.transcribe.segments import Segment, compression_ratio, segments_of
from panope_backends.tasks.transcribe.speech_files import SpeechTokens
from panope_backends.tasks.transcribe.words.alignment import token_times
from panope_backends.tasks.transcribe.words.window import WindowWords

#: The end of the audio, where a rest is no window of its own.
_LEAST_SECONDS = 0.02

#: Tokens that Moonshine writes in a second, at most.
_TOKENS_A_SECOND = 6.5
_LEAST_TOKENS = 16


#: Of a spectrum, two of which the encoder makes one state of.
_STEPS_OF_MOMENT = 2

_GREEDY = SamplingParams(temperature=0.0)


@dataclass(frozen=True)
class Asked:
    """What a call wants of a model.

    Attributes:
        context: tokens that stand before the decoder's own, of a prompt.
        language: its token; None where the model has no choice, or is to hear it.
        task: the token of what is done; None where the model has no choice.
        has_timestamps: whether times are told.
        sampling: how tokens are drawn.
        stream: whether segments are told when they are known.
        words: whether words are told with their times; times of segments are then told too.
    """

    context: tuple[int, ...] = ()
    language: int | None = None
    task: int | None = None
    has_timestamps: bool = False
    sampling: SamplingParams = _GREEDY
    stream: bool = False
    words: bool = False


class TranscribeJob(TokenJob):
    """A call of task `transcribe`.

    Args:
        features: of the audio.
        duration: of the audio that they are of, in seconds.
        window_seconds: that the model reads at once.
        asked: what is wanted.
        tokens: of the model.
        text: makes text of tokens.
        clock: tells the times of the file.
    """

    def __init__(
        self,
        features: AudioFeatures,
        duration: float,
        window_seconds: float,
        asked: Asked,
        tokens: SpeechTokens,
        text: Callable[[Sequence[int]], str],
        clock: FileClock,
    ) -> None:
        self.requests: list[GenerationRequest] = []
        self._features, self._duration, self._window = features, duration, window_seconds
        self._asked, self._tokens, self._text = asked, tokens, text
        self._clock = clock
        self._language = asked.language
        self._hears = bool(tokens.languages) and asked.language is None
        self._begin = self._seconds = 0.0
        self._drawn: list[int] = []
        self._logprobs: list[float] = []
        self._attention: NDArray[np.float32] | None = None
        self._count = 0
        self._new: list[messages.TranscribeSegment] = []
        self._token_count = 0
        self._next()

    def take(self, index: int, delta: TokenDelta) -> None:
        """Adds it to the window; at the end of it the next one is asked for."""
        del index  # one runs at a time
        self._drawn += delta.token_ids
        self._logprobs += [each.chosen.logprob for each in delta.logprobs]
        self._token_count += len(delta.token_ids)
        if delta.source_attention is not None:
            self._attention = delta.source_attention
        if delta.usage is None:
            return
        drawn, self._drawn = self._drawn, []
        logprobs, self._logprobs = self._logprobs, []
        if self._hears:
            self._hears, self._language = False, drawn[0]
            self._next()
            return
        if drawn and drawn[-1] == self._tokens.eos:
            drawn.pop()
        self._end_window(drawn, logprobs)

    def part(self) -> bytes | None:
        """The segments that are new; all of them at the end where no stream was asked for."""
        is_last = self._begin + _LEAST_SECONDS > self._duration
        if not is_last and not (self._asked.stream and self._new):
            return None
        new, self._new = self._new, []
        count, self._token_count = self._token_count, 0
        return messages.TranscribeOutput(
            segments=new, language=self._spoken(), duration=self._clock.duration, tokens=count
        ).SerializeToString()

    def _next(self) -> None:
        """Asks for the window that begins where the last one has led."""
        self._seconds = min(self._window, self._duration - self._begin)
        if self._tokens.no_timestamps is None:
            self._seconds = self._features.quiet_end(self._begin, self._window)
        features = SourceFeatures(self._features.window(self._begin, self._seconds))
        common: dict[str, Any] = {"id": 0, "features": features, "logprobs": 0}
        if self._hears:
            rules = TokenRules(allowed=tuple(self._tokens.languages.values()))
            common |= {"sampling": SamplingParams(temperature=0.0), "max_tokens": 1, "ignore_eos": True}
            self.requests.append(
                GenerationRequest(**common, decoder_token_ids=(self._tokens.start,), token_rules=rules)
            )
            return
        self.requests.append(
            GenerationRequest(
                **common,
                sampling=self._asked.sampling,
                decoder_token_ids=self._context(),
                token_rules=self._rules(),
                max_tokens=self._most_tokens(),
                alignment_heads=self._tokens.alignment_heads if self._asked.words else (),
            )
        )

    def _context(self) -> tuple[int, ...]:
        no_timestamps = None if self._asked.has_timestamps else self._tokens.no_timestamps
        told = (self._tokens.start, self._tokens.forced, self._language, self._asked.task, no_timestamps)
        return (*self._asked.context, *(token for token in told if token is not None))

    def _rules(self) -> TokenRules:
        tokens, stamps = self._tokens, None
        suppressed = tokens.suppressed
        if self._asked.has_timestamps and tokens.first_timestamp is not None and tokens.no_timestamps is not None:
            stamps = TimestampRules(tokens.first_timestamp, tokens.eos, tokens.max_initial_timestamp)
            suppressed += (tokens.no_timestamps,)
        return TokenRules(suppressed, tokens.suppressed_first, timestamps=stamps)

    def _most_tokens(self) -> int | None:
        if self._tokens.no_timestamps is not None:
            return None
        if not self._features.is_waveform:
            tokens = self._tokens
            rest = max(1, tokens.max_length - len(self._context())) if tokens.max_length else None
            return tokens.max_new_tokens or rest
        return max(_LEAST_TOKENS, round(self._seconds * _TOKENS_A_SECOND))

    def _end_window(self, drawn: list[int], logprobs: Sequence[float]) -> None:
        found, step = [Segment(0.0, self._seconds, drawn)], self._seconds
        first = self._tokens.first_timestamp
        if self._asked.has_timestamps and first is not None:
            found, step = segments_of(drawn, first, self._seconds)
        mean = sum(logprobs) / len(logprobs) if logprobs else 0.0
        ratio = compression_ratio(self._plain(drawn))
        words = self._word_times()
        for each in found:
            if not (text := self._plain(each.tokens)).strip():
                continue
            start, end = (min(self._duration, self._begin + seconds) for seconds in (each.start, each.end))
            start, end = self._clock.span(start, end)
            self._new.append(
                messages.TranscribeSegment(
                    index=self._count,
                    start=start,
                    end=end,
                    text=text,
                    token_ids=each.tokens,
                    avg_logprob=mean,
                    compression_ratio=ratio,
                    words=words.of(each) if words is not None else (),
                )
            )
            self._count += 1
        self._begin += max(step, _LEAST_SECONDS)
        if self._begin + _LEAST_SECONDS <= self._duration:
            self._next()

    def _word_times(self) -> WindowWords | None:
        """The words of the window that has ended, where they are asked for."""
        attention, self._attention = self._attention, None
        if attention is None:
            return None
        moments = self._features.heard_from(self._begin) // _STEPS_OF_MOMENT
        times = token_times(attention[..., :moments], self._tokens.median_filter_width)
        return WindowWords(self._begin, times, self._tokens.eos, self._text, self._spoken(), self._clock)

    def _plain(self, tokens: Sequence[int]) -> str:
        first = self._tokens.first_timestamp
        return self._text([token for token in tokens if first is None or token < first])

    def _spoken(self) -> str:
        found = (code for code, token in self._tokens.languages.items() if token == self._language)
        return next(found, "")
