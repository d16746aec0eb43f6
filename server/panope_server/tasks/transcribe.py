"""Task `transcribe`: audio to what was said in it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from panope.worker.v1 import transcribe_pb2 as messages
from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import InvalidInputError
from panope_server.config import Limits, Settings
from panope_server.tasks.task import Input, Output, Task, Usage

MAX_LANGUAGE = 16
MAX_PROMPT_BYTES = 16 << 10

#: A second of audio as a file, and about what transcribing it costs, in tokens.
_BYTES_OF_SECOND = 16_000
_WORK_OF_SECOND = 16

#: Of the memory that is free, the part that a cache takes which nobody gave a size.
_PART_FOR_CACHE = 4
#: Windows that run at once by default: what is kept of each is some 20 MB to 500 MB.
_MOST_SLOTS = 8
#: Of a cached value, at most; keys and values.
_VALUE_BYTES, _KINDS = 4, 2


@dataclass(slots=True)
class TranscribeInput(Input):
    """Audio to transcribe.

    Attributes:
        audio: the file.
        language: that is spoken, as a code; empty for what the model hears.
        translate: whether to write English, whatever is spoken.
        prompt: what was said before.
        temperature: 0 takes the likeliest token.
        seed: draws the same tokens each time; None draws others.
        timestamps: whether audio of one window has segments with times.
        stream: whether segments are told when they are known.
    """

    audio: bytes
    language: str = ""
    translate: bool = False
    prompt: str = ""
    temperature: float = 0.0
    seed: int | None = None
    timestamps: bool = False
    stream: bool = False


@dataclass(slots=True)
class TranscriptSegment:
    """A piece of what was said; `start` and `end` in seconds."""

    index: int
    start: float
    end: float
    text: str
    token_ids: Sequence[int]
    avg_logprob: float
    compression_ratio: float


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


class TranscribeTask(Task[TranscribeInput, TranscribeOutput]):
    """Audio to its text."""

    name = "transcribe"
    input_type = TranscribeInput
    input_unit = "bytes"
    output_unit = "tokens"

    def encode(self, task_input: TranscribeInput) -> bytes:
        """Everything."""
        return messages.TranscribeInput(
            audio=task_input.audio,
            language=task_input.language,
            translate=task_input.translate,
            prompt=task_input.prompt,
            temperature=task_input.temperature,
            seed=task_input.seed,
            timestamps=task_input.timestamps,
            stream=task_input.stream,
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

    def work(self, task_input: TranscribeInput, items: int, size_bytes: int) -> int:
        """By its bytes, for how long it is only the worker sees."""
        del items
        return size_bytes * _WORK_OF_SECOND // _BYTES_OF_SECOND

    def timeout_setting(self) -> str:
        """Its own: an answer that comes whole takes minutes."""
        return "generation_timeout_seconds"

    def validate(self, task_input: TranscribeInput, limits: Limits) -> None:
        """Checks every field; what the file holds, the worker sees."""
        size, most = len(task_input.audio), limits.media.max_audio_bytes
        if not size:
            raise InvalidInputError.at("audio", "{field} is empty")
        if size > most:
            raise InvalidInputError.at(
                "audio", "{field} has {size:,} bytes; the limit is {limit:,}", size=size, limit=most
            )
        if len(task_input.language) > MAX_LANGUAGE:
            raise InvalidInputError.at(
                "language", "{field} has more than {limit} characters; give a code such as `en`", limit=MAX_LANGUAGE
            )
        if len(task_input.prompt.encode(errors="replace")) > MAX_PROMPT_BYTES:
            raise InvalidInputError.at("prompt", "{field} has more than {limit:,} bytes", limit=MAX_PROMPT_BYTES)
        if not (math.isfinite(task_input.temperature) and 0 <= task_input.temperature <= 1):
            raise InvalidInputError.at("temperature", "{field} must be from 0 to 1")

    def extra_bytes(self, config: Mapping[str, Any], settings: Settings, free_bytes: int | None) -> int:
        """What is kept of windows: as the settings say, else what is of use, at most a quarter of what is free."""
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

    def input_units(self, task_input: TranscribeInput) -> int:
        """The bytes of the file."""
        return len(task_input.audio)

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
