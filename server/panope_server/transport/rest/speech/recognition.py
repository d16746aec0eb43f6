"""The bodies of Hugging Face's speech recognition: the file itself, or JSON with the file in base64."""

from __future__ import annotations

from typing import Literal

from google.api.httpbody_pb2 import HttpBody
from msgspec import Struct

from panope_backends.errors import InvalidInputError
from panope_server.tasks.speech.transcribe import TranscribeInput
from panope_server.transport.rest.hugging_face.schemas import CallOptions
from panope_server.transport.rest.json.requests import RequestBody
from panope_server.transport.rest.json.unknown_fields import UnknownFields
from panope_server.transport.rest.speech.audio_bodies import audio_in, audio_of


class GenerationParameters(Struct, forbid_unknown_fields=True):
    """How the text is generated.

    Attributes:
        temperature: From 0 to 1.
        language: That is spoken, as a code.
        task: What is written: what was said, or English.
    """

    temperature: float = 0.0
    language: str = ""
    task: Literal["transcribe", "translate"] = "transcribe"


class RecognitionParameters(Struct, forbid_unknown_fields=True):
    """How audio is transcribed.

    Attributes:
        return_timestamps: Whether to tell `chunks` with times; `word` for a chunk for each word.
        generation_parameters: How the text is generated.
        generate_kwargs: The same, by its other name.
        vad: Whether silence is left out; absent for where the server has the detector. Not of Hugging Face's.
    """

    return_timestamps: bool | Literal["word"] = False
    generation_parameters: GenerationParameters | None = None
    generate_kwargs: GenerationParameters | None = None
    vad: bool | None = None


class RecognitionBody(Struct, forbid_unknown_fields=True):
    """What InferenceClient.automatic_speech_recognition sends where it has parameters, and `model`.

    Attributes:
        inputs: The file in base64, or by its URL where the settings `media_urls` allow that.
        model: Absent for the model of the path, or for the default model.
        parameters: How to transcribe it.
        options: How to treat the call.
    """

    inputs: str
    model: str | None = None
    parameters: RecognitionParameters | None = None
    options: CallOptions | None = None


_BODY = RequestBody(RecognitionBody)


def read_recognition(
    body: HttpBody, unknown: UnknownFields, *, from_page: bool
) -> tuple[TranscribeInput, RecognitionBody]:
    """The input of a body, and what else it says.

    Args:
        body: as it was sent.
        unknown: takes the fields that the schema does not have.
        from_page: as of `audio_of`.

    Raises:
        InvalidInputError: another content type, or a field with a wrong value.
    """
    sent = audio_of(body, from_page=from_page)
    if sent is not None:
        return TranscribeInput(sent), RecognitionBody("")
    told = _BODY.read(body, unknown)
    parameters = told.parameters or RecognitionParameters()
    if parameters.generation_parameters is not None and parameters.generate_kwargs is not None:
        raise InvalidInputError(
            "`parameters.generate_kwargs` is `generation_parameters` by its other name; give one of them",
            field="parameters.generate_kwargs",
        )
    how = parameters.generation_parameters or parameters.generate_kwargs or GenerationParameters()
    audio, url = audio_in(told.inputs)
    task_input = TranscribeInput(
        audio,
        language=how.language,
        translate=how.task == "translate",
        temperature=how.temperature,
        timestamps=parameters.return_timestamps is True,
        vad=parameters.vad,
        words=parameters.return_timestamps == "word",
        url=url,
    )
    return task_input, told
