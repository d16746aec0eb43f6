"""Task `transcribe`: audio to what was said in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from panope.worker.v1 import transcribe_pb2 as messages
from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import Field, InvalidInputError
from panope_server.config import Limits, Settings
from panope_server.tasks import agreement, samples
from panope_server.tasks.speech.audio import AudioInput, AudioTask
from panope_server.tasks.speech.vad import FIELD, VadOptions, check_vad
from panope_server.tasks.task import Output, Usage, Workload
from panope_server.tasks.workload import SingleWorkload

TRANSCRIBE = "transcribe"
"""The task of models of speech to text."""

MAX_LANGUAGE = 16
MAX_PROMPT_BYTES = 16 << 10

#: Of the memory that is free, the part that a cache takes which nobody gave a size.
_PART_FOR_CACHE = 4
#: Windows that run at once by default: what is kept of each is some 20 MB to 500 MB.
_MOST_SLOTS = 8
#: Of a cached value, at most; keys and values.
_VALUE_BYTES, _KINDS = 4, 2


@dataclass(slots=True)
class TranscribeInput(AudioInput):
    """Audio to transcribe.

    Attributes:
        language: that is spoken, as a code; empty for what the model hears.
        translate: whether to write English, whatever is spoken.
        prompt: what was said before.
        temperature: 0 takes the likeliest token.
        seed: draws the same tokens each time; None draws others.
        timestamps: whether audio of one window has segments with times.
        stream: whether segments are told when they are known.
        vad: whether silence is left out; None for where the worker has the detector.
        vad_options: what counts as speech, and that silence is left out; None for the defaults.
        words: whether words are told with their times.
    """

    language: str = ""
    translate: bool = False
    prompt: str = ""
    temperature: float = 0.0
    seed: int | None = None
    timestamps: bool = False
    stream: bool = False
    vad: bool | None = None
    vad_options: VadOptions | None = None
    words: bool = False


@dataclass(slots=True)
class TranscriptWord:
    """A word, with the space before it; `start` and `end` in seconds."""

    text: str
    start: float
    end: float


@dataclass(slots=True)
class TranscriptSegment:
    """A piece of what was said; `start` and `end` in seconds. Without words where they are not asked for."""

    index: int
    start: float
    end: float
    text: str
    token_ids: Sequence[int]
    avg_logprob: float
    compression_ratio: float
    words: Sequence[TranscriptWord] = ()


@dataclass(slots=True)
class TranscribeOutput(Output):
    """Segments that are new, and what is known of the whole.

    Attributes:
        language: told or heard; empty for a model of one language.
        duration: seconds of the audio.
        tokens: drawn since the last part.
    """

    segments: list[TranscriptSegment] = field(default_factory=list)
    language: str = ""
    duration: float = 0.0
    tokens: int = 0

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(segment.text for segment in self.segments).strip()

    @property
    def words(self) -> list[TranscriptWord]:
        """Of all segments."""
        return [word for segment in self.segments for word in segment.words]


class TranscribeTask(AudioTask[TranscribeInput, TranscribeOutput]):
    """Audio to its text."""

    name = TRANSCRIBE
    workloads: ClassVar[Sequence[Workload]] = (
        SingleWorkload("transcribe-5-seconds", lambda number, _: TranscribeInput(samples.audio(number), vad=False)),
    )
    least_agreement = 0.5
    input_type = TranscribeInput
    work_of_second = 16
    output_unit = "tokens"

    def encode(self, task_input: TranscribeInput) -> bytes:
        """Everything."""
        options = task_input.vad_options or VadOptions()
        return messages.TranscribeInput(
            audio=task_input.audio,
            language=task_input.language,
            translate=task_input.translate,
            prompt=task_input.prompt,
            temperature=task_input.temperature,
            seed=task_input.seed,
            timestamps=task_input.timestamps,
            stream=task_input.stream,
            vad=True if task_input.vad is None and task_input.vad_options is not None else task_input.vad,
            vad_threshold=options.threshold,
            vad_min_silence=options.min_silence_seconds,
            vad_padding=options.padding_seconds,
            words=task_input.words,
            vad_min_speech=options.min_speech_seconds,
        ).SerializeToString()

    def decode(self, data: bytes) -> TranscribeOutput:
        """A part."""
        message = messages.TranscribeOutput.FromString(data)
        return TranscribeOutput(
            [
                TranscriptSegment(
                    each.index,
                    each.start,
                    each.end,
                    each.text,
                    list(each.token_ids),
                    each.avg_logprob,
                    each.compression_ratio,
                    [TranscriptWord(word.text, word.start, word.end) for word in each.words],
                )
                for each in message.segments
            ],
            message.language,
            message.duration,
            message.tokens,
        )

    def slots(self, task_input: TranscribeInput) -> int:
        """One: windows of one file run one after another."""
        del task_input
        return 1

    def timeout_setting(self) -> str:
        """Its own: an answer that comes whole takes minutes."""
        return "generation_timeout_seconds"

    def agreement(self, expected: TranscribeOutput, found: TranscribeOutput) -> float:
        """The part of the texts that is alike."""
        return agreement.of_texts(expected.text, found.text)

    def validate(self, task_input: TranscribeInput, limits: Limits) -> None:
        """Checks every field; what the file holds, the worker sees."""
        super().validate(task_input, limits)
        if len(task_input.language) > MAX_LANGUAGE:
            raise InvalidInputError.at(
                "language", "{field} has more than {limit} characters; give a code such as `en`", limit=MAX_LANGUAGE
            )
        if len(task_input.prompt.encode(errors="replace")) > MAX_PROMPT_BYTES:
            raise InvalidInputError.at("prompt", "{field} has more than {limit:,} bytes", limit=MAX_PROMPT_BYTES)
        if not 0 <= task_input.temperature <= 1:
            raise InvalidInputError.at("temperature", "{field} must be from 0 to 1")
        if task_input.vad_options is not None:
            if task_input.vad is False:
                raise InvalidInputError.at(FIELD, "{field} has no effect where {vad} is false", vad=Field("vad"))
            check_vad(task_input.vad_options)

    def extra_bytes(self, config: Mapping[str, Any], settings: Settings, free_bytes: int | None) -> int:
        """What is kept of windows: as the settings say, else what is of use, at most a quarter of what is free.

        Models without a decoder keep nothing.
        """
        if config.get("is_encoder_decoder") is not True:
            return 0
        if settings.generation.cache_size:
            return settings.generation.cache_size
        positions = _number(config, "max_source_positions") + _number(config, "max_target_positions")
        token = _KINDS * _number(config, "decoder_layers") * _number(config, "d_model") * _VALUE_BYTES
        useful = 2 * _slots(settings) * positions * token
        return useful if free_bytes is None else min(useful, free_bytes // _PART_FOR_CACHE)

    def settings_of(self, settings: Settings, extra_bytes: int) -> bytes:
        """How a model is loaded."""
        return messages.TranscribeSettings(slots=_slots(settings), cache_bytes=extra_bytes).SerializeToString()

    def facts_of(self, ready: wire.Ready) -> messages.TranscribeFacts:
        """What the model can be asked for."""
        return messages.TranscribeFacts.FromString(ready.facts)

    def usage(self, output: TranscribeOutput) -> Usage:
        """The tokens of a part."""
        return Usage(0, output.tokens)

    def join(self, parts: Sequence[TranscribeOutput]) -> TranscribeOutput:
        """All segments."""
        last = parts[-1]
        segments = [segment for part in parts for segment in part.segments]
        return TranscribeOutput(segments, last.language, last.duration, sum(part.tokens for part in parts))


def _slots(settings: Settings) -> int:
    return min(settings.generation.slots, _MOST_SLOTS)


def _number(config: Mapping[str, Any], name: str) -> int:
    value = config.get(name)
    return value if type(value) is int and 0 < value < 1 << 24 else 0
