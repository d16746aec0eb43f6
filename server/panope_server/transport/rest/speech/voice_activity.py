"""The form of voice activity, and the parts of audio that are speech as JSON."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, TypedDict

from msgspec import Meta, Struct

from panope_backends.errors import InvalidInputError
from panope_server.config.numbers import read_number
from panope_server.tasks.speech.detect_speech import DetectSpeechInput, DetectSpeechOutput
from panope_server.tasks.speech.vad import OF_DETECTION, OF_FILES
from panope_server.transport.rest.json.unknown_fields import UnknownFields
from panope_server.transport.rest.speech.fields import single_texts, the_file
from panope_server.transport.rest.speech.multipart import Form

_File = Annotated[str, Meta(extra_json_schema={"format": "binary"})]


class VoiceActivityForm(Struct, forbid_unknown_fields=True):
    """The form of `/v1/audio/voice-activity`.

    Attributes:
        file: The audio: WAV, MP3, FLAC, Ogg, AAC, M4A or WebM, told by its content.
        model: One that transcribes; absent for the default model.
        threshold: The probability from which a moment is speech.
        min_silence_seconds: Shorter silence does not part speech.
        min_speech_seconds: Shorter speech is not told.
        padding_seconds: What is told before and after speech.
    """

    file: _File
    model: str | None = None
    threshold: Annotated[float, Meta(gt=0, lt=1)] = OF_DETECTION.threshold
    min_silence_seconds: Annotated[float, Meta(ge=0, le=OF_FILES.max_silence)] = OF_DETECTION.min_silence_seconds
    min_speech_seconds: Annotated[float, Meta(ge=0, le=OF_FILES.max_speech)] = OF_DETECTION.min_speech_seconds
    padding_seconds: Annotated[float, Meta(ge=0, le=OF_FILES.max_padding)] = OF_DETECTION.padding_seconds


class SpeechSegmentJson(TypedDict):
    """A part of the audio that is speech.

    Attributes:
        start: Seconds.
        end: Seconds.
    """

    start: float
    end: float


class VoiceActivityJson(TypedDict):
    """What was found.

    Attributes:
        model: Whose worker looked.
        duration: Seconds of the audio.
        segments: The parts that are speech, in their order.
    """

    model: str
    duration: float
    segments: list[SpeechSegmentJson]


NUMBERS = ("threshold", "min_silence_seconds", "min_speech_seconds", "padding_seconds")
"""The fields of the form that are numbers."""


def read_voice_activity(form: Form, unknown: UnknownFields) -> tuple[DetectSpeechInput, str]:
    """The input of a form, and the model that it names.

    Raises:
        InvalidInputError: a field is missing, given twice, unknown, or no number.
    """
    given = single_texts(form.texts, ("model", *NUMBERS), unknown)
    numbers = {name: _number(name, given[name]) for name in NUMBERS if name in given}
    return DetectSpeechInput(the_file(form, unknown), replace(OF_DETECTION, **numbers)), given.get("model", "")


def voice_activity(model: str, output: DetectSpeechOutput) -> VoiceActivityJson:
    """The answer."""
    segments: list[SpeechSegmentJson] = [
        {"start": round(each.start, 3), "end": round(each.end, 3)} for each in output.parts
    ]
    return {"model": model, "duration": round(output.duration, 3), "segments": segments}


def _number(name: str, text: str) -> float:
    value = read_number(text)
    if value is None:
        raise InvalidInputError(f"`{name}` must be a number", field=name)
    return value
