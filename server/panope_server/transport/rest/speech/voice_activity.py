"""The form of voice activity, and the parts of audio that are speech as JSON."""

from __future__ import annotations

import math
from typing import Annotated, TypedDict

from msgspec import Meta, Struct

from panope_backends.errors import InvalidInputError
from panope_server.tasks.speech.detect_speech import (
    MAX_MIN_SPEECH,
    DetectSpeechInput,
    DetectSpeechOutput,
    SpeechDetectionOptions,
)
from panope_server.tasks.speech.transcribe import MAX_MIN_SILENCE, MAX_PADDING
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
    threshold: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    min_silence_seconds: Annotated[float, Meta(ge=0, le=MAX_MIN_SILENCE)] = 0.1
    min_speech_seconds: Annotated[float, Meta(ge=0, le=MAX_MIN_SPEECH)] = 0.25
    padding_seconds: Annotated[float, Meta(ge=0, le=MAX_PADDING)] = 0.0


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


_NUMBERS = ("threshold", "min_silence_seconds", "min_speech_seconds", "padding_seconds")


def read_voice_activity(form: Form, unknown: UnknownFields) -> tuple[DetectSpeechInput, str]:
    """The input of a form, and the model that it names.

    Raises:
        InvalidInputError: a field is missing, given twice, unknown, or no number.
    """
    given = single_texts(form.texts, ("model", *_NUMBERS), unknown)
    numbers = {name: _number(name, given[name]) for name in _NUMBERS if name in given}
    return DetectSpeechInput(the_file(form, unknown), SpeechDetectionOptions(**numbers)), given.get("model", "")


def voice_activity(model: str, output: DetectSpeechOutput) -> VoiceActivityJson:
    """The answer."""
    segments: list[SpeechSegmentJson] = [
        {"start": round(each.start, 3), "end": round(each.end, 3)} for each in output.parts
    ]
    return {"model": model, "duration": round(output.duration, 3), "segments": segments}


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InvalidInputError(f"`{name}` must be a number", field=name)
    return value
