"""The form of voice activity, and the parts of audio that are speech as JSON."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, NamedTuple, TypedDict

from msgspec import Meta, Struct

from panope_backends.errors import InvalidInputError
from panope_server.config.numbers import read_number
from panope_server.tasks.speech.detect_speech import DetectSpeechInput, DetectSpeechOutput
from panope_server.tasks.speech.vad import FIELD, OF_DETECTION, OF_FILES
from panope_server.transport.field_names import FieldNames
from panope_server.transport.rest.forms.multipart import Form
from panope_server.transport.rest.json.unknown_fields import UnknownFields
from panope_server.transport.rest.speech.fields import names_of, single_texts, the_file

_File = Annotated[str, Meta(extra_json_schema={"format": "binary"})]


class VoiceActivityForm(Struct, forbid_unknown_fields=True):
    """The form of `/v1/audio/voice-activity`.

    Attributes:
        file: As of a transcription.
        url: As of a transcription.
        model: One that transcribes; absent for the default model.
        threshold: The probability from which a moment is speech.
        min_silence_seconds: Shorter silence does not part speech.
        min_speech_seconds: Shorter speech is not told.
        padding_seconds: What is told before and after speech.
    """

    file: _File | None = None
    url: str | None = None
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


_NAMES = {f"{FIELD}.{name}": name for name in NUMBERS}


class VoiceActivityAsked(NamedTuple):
    """What a form asks for.

    Attributes:
        task_input: of the call.
        model: empty for the default model.
        names: what the form calls fields of the input.
    """

    task_input: DetectSpeechInput
    model: str
    names: FieldNames


def read_voice_activity(form: Form, unknown: UnknownFields) -> VoiceActivityAsked:
    """What a form asks for.

    Raises:
        InvalidInputError: a field is missing, given twice, unknown, or no number.
    """
    given = single_texts(form.texts, ("url", "model", *NUMBERS), unknown)
    numbers = {name: _number(name, given[name]) for name in NUMBERS if name in given}
    file = the_file(form, given.get("url"), unknown)
    task_input = DetectSpeechInput(file.content, replace(OF_DETECTION, **numbers), url=file.url)
    return VoiceActivityAsked(task_input, given.get("model", ""), names_of(file, _NAMES))


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
