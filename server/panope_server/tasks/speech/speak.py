"""Task `speak`: a text to an audio file of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from panope.worker.v1 import speak_pb2 as messages
from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import InvalidInputError
from panope_server.config import Limits
from panope_server.tasks import agreement
from panope_server.tasks.task import Input, MeasuredModel, Output, Task, Usage, Workload
from panope_server.tasks.workload import SingleWorkload, text_of

InputFormat = Literal["text", "ipa"]

AudioFormat = Literal["wav", "pcm", "mp3", "flac", "opus", "aac"]

MEDIA_TYPES: Mapping[AudioFormat, str] = {
    "wav": "audio/wav",
    "pcm": "audio/pcm",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "opus": "audio/ogg",
    "aac": "audio/aac",
}

MAX_CHARACTERS = 4096
MIN_SPEED, MAX_SPEED = 0.25, 4.0
MAX_SEED = (1 << 63) - 1
MAX_VOICE = 64

#: Phonemes of twelve words, about.
_MEASURED_SIGNS = 50
#: What speaking a character costs, in tokens, about.
_WORK_OF_CHARACTER = 2


@dataclass(slots=True)
class SpeakInput(Input):
    """A text to speak.

    Attributes:
        text: to speak.
        voice: one of the model's; empty for its first.
        format: of the audio file.
        speed: 1 for as fast as the model was trained to speak.
        seed: makes the same audio each time; None for another each time.
        stream: whether the file is told as it is made.
        input_format: `ipa` for phonemes.
    """

    text: str
    voice: str = ""
    format: AudioFormat = "wav"
    speed: float = 1.0
    seed: int | None = None
    stream: bool = False
    input_format: InputFormat = "text"


@dataclass(slots=True)
class SpeakOutput(Output):
    """A piece of the audio file.

    Attributes:
        audio: its bytes, perhaps none.
        seconds: that were spoken for it.
        sample_rate: of the file, in a second.
    """

    audio: bytes
    seconds: float = 0.0
    sample_rate: int = 0


def _measured(number: int, model: MeasuredModel) -> SpeakInput:
    """Twelve words; as many phonemes for a voice of these, whose noise has no seed."""
    facts = model.facts
    if not isinstance(facts, messages.SpeakFacts) or not facts.signs:
        return SpeakInput(text_of(number, 12), seed=number)
    signs = (facts.signs[(number + place * (1 + number % 7)) % len(facts.signs)] for place in range(_MEASURED_SIGNS))
    return SpeakInput("".join(signs), input_format="ipa")


class SpeakTask(Task[SpeakInput, SpeakOutput]):
    """A text to an audio file."""

    name = "speak"
    workloads: ClassVar[Sequence[Workload]] = (SingleWorkload("speak-12-words", _measured),)
    least_agreement = 0.5
    input_type = SpeakInput
    input_unit = "bytes"
    output_unit = "bytes"

    def encode(self, task_input: SpeakInput) -> bytes:
        """Everything."""
        return messages.SpeakInput(
            text=task_input.text,
            voice=task_input.voice,
            format=task_input.format,
            speed=task_input.speed,
            seed=task_input.seed,
            stream=task_input.stream,
            is_ipa=task_input.input_format == "ipa",
        ).SerializeToString()

    def decode(self, data: bytes) -> SpeakOutput:
        """A piece."""
        message = messages.SpeakOutput.FromString(data)
        return SpeakOutput(message.audio, message.seconds, message.sample_rate)

    def work(self, task_input: SpeakInput, items: int, size_bytes: int) -> int:
        """By its characters."""
        del items, size_bytes
        return len(task_input.text) * _WORK_OF_CHARACTER

    def timeout_setting(self) -> str:
        """That of what is generated: a long text takes minutes."""
        return "generation_timeout_seconds"

    def agreement(self, expected: SpeakOutput, found: SpeakOutput) -> float:
        """How alike the loudness over time is."""
        return agreement.of_sounds(expected.audio, found.audio)

    def validate(self, task_input: SpeakInput, limits: Limits) -> None:
        """Checks every field; which voices there are, the worker knows."""
        del limits
        if not task_input.text.strip():
            raise InvalidInputError.at("text", "{field} is empty")
        if len(task_input.text) > MAX_CHARACTERS:
            raise InvalidInputError.at(
                "text",
                "{field} has {count:,} characters; the limit is {limit:,}",
                count=len(task_input.text),
                limit=MAX_CHARACTERS,
            )
        if len(task_input.voice) > MAX_VOICE:
            raise InvalidInputError.at("voice", "{field} has more than {limit} characters", limit=MAX_VOICE)
        if task_input.format not in get_args(AudioFormat):
            raise InvalidInputError.at("format", "{field} is one of {known}", known=", ".join(get_args(AudioFormat)))
        if task_input.input_format not in get_args(InputFormat):
            known = ", ".join(get_args(InputFormat))
            raise InvalidInputError.at("input_format", "{field} is one of {known}", known=known)
        if not MIN_SPEED <= task_input.speed <= MAX_SPEED:
            raise InvalidInputError.at(
                "speed", "{field} must be from {least:g} to {most:g}", least=MIN_SPEED, most=MAX_SPEED
            )
        if task_input.seed is not None and not 0 <= task_input.seed <= MAX_SEED:
            raise InvalidInputError.at("seed", "{field} must be from 0 to 2**63 - 1")

    def facts_of(self, ready: wire.Ready) -> messages.SpeakFacts:
        """What the worker says of the model."""
        return messages.SpeakFacts.FromString(ready.facts)

    def input_units(self, task_input: SpeakInput) -> int:
        """The bytes of its text."""
        return len(task_input.text.encode(errors="replace"))

    def usage(self, output: SpeakOutput) -> Usage:
        """The bytes of a piece."""
        return Usage(0, len(output.audio))

    def text_of(self, task_input: SpeakInput) -> str:
        """What is spoken."""
        return task_input.text

    def join(self, parts: Sequence[SpeakOutput]) -> SpeakOutput:
        """The whole file."""
        seconds = sum(part.seconds for part in parts)
        return SpeakOutput(b"".join(part.audio for part in parts), seconds, parts[-1].sample_rate)
