"""Task `detect-speech`: audio to the parts of it that are speech."""

from __future__ import annotations

from dataclasses import dataclass, field

from panope.worker.v1 import detect_speech_pb2 as messages
from panope_server.config import Limits
from panope_server.tasks.speech.audio import AudioInput, AudioTask
from panope_server.tasks.speech.vad import OF_DETECTION, VadOptions, check_vad
from panope_server.tasks.task import Output


@dataclass(slots=True)
class DetectSpeechInput(AudioInput):
    """Audio to look for speech in.

    Attributes:
        vad_options: what counts as speech.
    """

    vad_options: VadOptions = OF_DETECTION


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


class DetectSpeechTask(AudioTask[DetectSpeechInput, DetectSpeechOutput]):
    """Audio to its parts that are speech; every model that transcribes answers it."""

    name = "detect-speech"
    input_type = DetectSpeechInput
    work_of_second = 1

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

    def validate(self, task_input: DetectSpeechInput, limits: Limits) -> None:
        """Checks every field; what the file holds, the worker sees."""
        super().validate(task_input, limits)
        check_vad(task_input.vad_options)
