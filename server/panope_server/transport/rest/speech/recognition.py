"""The bodies of Hugging Face's speech recognition: the file itself, or JSON with the file in base64."""

from __future__ import annotations

import base64
import binascii
from typing import Literal

from google.api.httpbody_pb2 import HttpBody
from msgspec import Struct

from panope_backends.errors import InvalidInputError
from panope_server.tasks.speech.transcribe import TranscribeInput
from panope_server.tasks.vision.images import file_url
from panope_server.transport.errors import HTTP_STATUS
from panope_server.transport.rest.hugging_face.schemas import CallOptions
from panope_server.transport.rest.json.requests import JSON, UNSUPPORTED_MEDIA_TYPE, RequestBody
from panope_server.transport.rest.json.unknown_fields import UnknownFields

#: Pages of other sites cannot send these without asking first.
_FILES = ("audio/", "video/", "application/octet-stream", "application/ogg")


#: Where URLs have their scheme.
_SCHEME_CHARACTERS = 8


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
        from_page: whether a page sent it: those of other sites can send bodies without a type unasked, while
            Hugging Face's client sends bytes so.

    Raises:
        InvalidInputError: another content type, or a field with a wrong value.
    """
    kind = body.content_type.partition(";")[0].strip().lower()
    if kind.startswith(_FILES) or not (kind or from_page):
        if not body.data:
            raise InvalidInputError("the body is empty; send an audio file", field="inputs")
        return TranscribeInput(body.data), RecognitionBody("")
    if kind != JSON:
        raise InvalidInputError(
            f"send the file, with the header `content-type: audio/wav` or of its kind, or `{JSON}`",
            reason="unsupported_content_type",
            details={HTTP_STATUS: str(UNSUPPORTED_MEDIA_TYPE)},
        )
    told = _BODY.read(body, unknown)
    parameters = told.parameters or RecognitionParameters()
    if parameters.generation_parameters is not None and parameters.generate_kwargs is not None:
        raise InvalidInputError(
            "`parameters.generate_kwargs` is `generation_parameters` by its other name; give one of them",
            field="parameters.generate_kwargs",
        )
    how = parameters.generation_parameters or parameters.generate_kwargs or GenerationParameters()
    url = told.inputs if ":" in told.inputs[:_SCHEME_CHARACTERS] else ""
    try:
        audio = b"" if url else base64.b64decode(told.inputs, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInputError("`inputs` is no base64", field="inputs") from None
    task_input = TranscribeInput(
        audio,
        language=how.language,
        translate=how.task == "translate",
        temperature=how.temperature,
        timestamps=parameters.return_timestamps is True,
        vad=parameters.vad,
        words=parameters.return_timestamps == "word",
        url=file_url(url, "inputs") if url else "",
    )
    return task_input, told
