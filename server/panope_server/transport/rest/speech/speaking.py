"""The bodies of speaking: OpenAI's, and Hugging Face's text to speech."""

from __future__ import annotations

from typing import Annotated, Literal

from google.api.httpbody_pb2 import HttpBody
from msgspec import Meta, Struct

from panope_server.tasks.speech.speak import MAX_SPEED, MIN_SPEED, AudioFormat, InputFormat, SpeakInput
from panope_server.transport.rest.hugging_face.schemas import CallOptions
from panope_server.transport.rest.json.refusals import Refusal, Refusals
from panope_server.transport.rest.json.requests import RequestBody
from panope_server.transport.rest.json.unknown_fields import UnknownFields

#: Those whose header tells the length are sent when they are whole.
_STREAMED: frozenset[AudioFormat] = frozenset({"mp3", "opus", "aac", "pcm"})

_Speed = Annotated[float, Meta(ge=MIN_SPEED, le=MAX_SPEED)]
_Seed = Annotated[int, Meta(ge=0)]


class VoiceBody(Struct, forbid_unknown_fields=True):
    """A voice, as OpenAI names those of callers.

    Attributes:
        id: One of the model's voices.
    """

    id: str


class SpeechBody(Struct, forbid_unknown_fields=True):
    """The body of `/v1/audio/speech`.

    Attributes:
        input: The text, of at most 4,096 characters.
        model: Absent for the default model.
        voice: One of the model's: `default` for a model of one, numbers from `0`, or its names; absent for its first.
        response_format: `mp3`, `opus`, `aac` and `pcm` (24,000 samples of 16 bits in a second) come as they are made.
        speed: 1 for as fast as the model was trained to speak.
        stream_format: Only `audio`.
        seed: Makes the same audio each time. Not of OpenAI's.
        input_format: `ipa` where `input` is phonemes, for models that speak them. Not of OpenAI's.
    """

    input: str
    model: str | None = None
    voice: str | VoiceBody | None = None
    response_format: AudioFormat = "mp3"
    speed: _Speed = 1.0
    stream_format: Literal["audio"] = "audio"
    seed: _Seed | None = None
    input_format: InputFormat = "text"


class SpeakParameters(Struct, forbid_unknown_fields=True):
    """How a text is spoken.

    Attributes:
        voice: One of the model's.
        speed: 1 for as fast as the model was trained to speak.
        seed: Makes the same audio each time.
        input_format: `ipa` where `inputs` is phonemes, for models that speak them. Not of Hugging Face's.
    """

    voice: str = ""
    speed: _Speed = 1.0
    seed: _Seed | None = None
    input_format: InputFormat = "text"


class SpeakBody(Struct, forbid_unknown_fields=True):
    """What InferenceClient.text_to_speech sends, and `model`.

    Attributes:
        inputs: The text, of at most 4,096 characters.
        model: Absent for the model of the path, or for the default model.
        parameters: How to speak it.
        options: How to treat the call.
    """

    inputs: str
    model: str | None = None
    parameters: SpeakParameters | None = None
    options: CallOptions | None = None


REFUSALS = Refusals({"instructions": Refusal("is not supported: no model here is told how to speak", ("",))})

_SPEECH = RequestBody(SpeechBody, REFUSALS)
_SPEAK = RequestBody(SpeakBody)


def read_speech(body: HttpBody, unknown: UnknownFields) -> tuple[SpeakInput, str]:
    """The input of OpenAI's body, and the model that it names.

    Raises:
        InvalidInputError: another content type, or a field with a wrong value.
    """
    told = _SPEECH.read(body, unknown)
    voice = told.voice.id if isinstance(told.voice, VoiceBody) else told.voice or ""
    kind = told.response_format
    streamed = kind in _STREAMED
    return SpeakInput(told.input, voice, kind, told.speed, told.seed, streamed, told.input_format), told.model or ""


def read_speak(body: HttpBody, unknown: UnknownFields) -> tuple[SpeakInput, SpeakBody]:
    """The input of Hugging Face's body, and what else it says.

    Raises:
        InvalidInputError: another content type, or a field with a wrong value.
    """
    told = _SPEAK.read(body, unknown)
    how = told.parameters or SpeakParameters()
    spoken = SpeakInput(told.inputs, how.voice, "flac", how.speed, how.seed, input_format=how.input_format)
    return spoken, told
