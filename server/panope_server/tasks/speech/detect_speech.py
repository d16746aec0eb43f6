"""Task `detect-speech`: audio to the parts of it that are speech."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from panope.worker.v1 import detect_speech_pb2 as messages
from panope_server.config import Limits
from panope_server.tasks.links import Link
from panope_server.tasks.speech.transcribe import audio_links, check_audio
from panope_server.tasks.speech.vad import OF_DETECTION, VadOptions, check_vad
from panope_server.tasks.task import Input, Output, Task, Usage

#: What finding speech in a second of audio costs, in tokens, about; and the bytes of such a second.
_WORK_OF_SECOND = 1
_BYTES_OF_SECOND = 16_000


@dataclass(slots=True)
class DetectSpeechInput(Input):
    """Audio to look for speech in.

    Attributes:
        audio: the file.
        vad_options: what counts as speech.
        url: where the file is, until it was fetched; empty where the file itself came.
    """

    audio: bytes
    vad_options: VadOptions = OF_DETECTION
    url: str = ""


@dataclass(slots=True)
class SpeechPart:
    """A part of the audio that is speech; `start` and `end` in seconds."""

    start: float
    end: float


@dataclass(slots=True)
class DetectSpeechOutput(Output):
    """What was found.

    Attributes:
        parts: in their order.
        duration: seconds of the audio.
    """

    parts: list[SpeechPart] = field(default_factory=list)
    duration: float = 0.0


class DetectSpeechTask(Task[DetectSpeechInput, DetectSpeechOutput]):
    """Audio to its parts that are speech; every model that transcribes answers it."""

    name = "detect-speech"
    input_type = DetectSpeechInput
    input_unit = "bytes"

    def encode(self, task_input: DetectSpeechInput) -> bytes:
        """Everything."""
        options = task_input.vad_options
        return messages.DetectSpeechInput(
            audio=task_input.audio,
            threshold=options.threshold,
            min_silence=options.min_silence_seconds,
            min_speech=options.min_speech_seconds,
            padding=options.padding_seconds,
        ).SerializeToString()

    def decode(self, data: bytes) -> DetectSpeechOutput:
        """The answer."""
        message = messages.DetectSpeechOutput.FromString(data)
        return DetectSpeechOutput([SpeechPart(each.start, each.end) for each in message.parts], message.duration)

    def work(self, task_input: DetectSpeechInput, items: int, size_bytes: int) -> int:
        """By its bytes."""
        del task_input, items
        return size_bytes * _WORK_OF_SECOND // _BYTES_OF_SECOND

    def validate(self, task_input: DetectSpeechInput, limits: Limits) -> None:
        """Checks every field; what the file holds, the worker sees."""
        check_audio(task_input, limits)
        check_vad(task_input.vad_options)

    def links(self, task_input: DetectSpeechInput) -> Sequence[Link]:
        """That of the audio."""
        return audio_links(task_input)

    def input_units(self, task_input: DetectSpeechInput) -> int:
        """The bytes of the file."""
        return len(task_input.audio)

    def usage(self, output: DetectSpeechOutput) -> Usage:
        """Nothing is written."""
        del output
        return Usage(0, 0)

    def join(self, parts: Sequence[DetectSpeechOutput]) -> DetectSpeechOutput:
        """The only part."""
        return parts[-1]
