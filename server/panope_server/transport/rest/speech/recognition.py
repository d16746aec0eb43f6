"""The bodies of Hugging Face's speech recognition: the file itself, or JSON with the file in base64."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from panope_backends.errors import InvalidInputError
from panope_server.tasks.speech.transcribe import TRANSCRIBE, TranscribeInput, TranscribeOutput
from panope_server.transport.field_names import FieldNames
from panope_server.transport.rest.hugging_face.schemas import CallOptions
from panope_server.transport.rest.json.requests import RequestBody
from panope_server.transport.rest.speech.audio_bodies import AudioFile, AudioRoute
from panope_server.transport.rest.speech.formats import recognition


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
        inputs: The file in base64, as a `data:` URL, or by its URL where the settings `media_urls` allow that.
        model: Absent for the model of the path, or for the default model.
        parameters: How to transcribe it.
        options: How to treat the call.
    """

    inputs: str
    model: str | None = None
    parameters: RecognitionParameters | None = None
    options: CallOptions | None = None


def _input_of(file: AudioFile, parameters: RecognitionParameters) -> TranscribeInput:
    if parameters.generation_parameters is not None and parameters.generate_kwargs is not None:
        raise InvalidInputError(
            "`parameters.generate_kwargs` is `generation_parameters` by its other name; give one of them",
            field="parameters.generate_kwargs",
        )
    how = parameters.generation_parameters or parameters.generate_kwargs or GenerationParameters()
    return TranscribeInput(
        file.content,
        language=how.language,
        translate=how.task == "translate",
        temperature=how.temperature,
        timestamps=parameters.return_timestamps is True,
        vad=parameters.vad,
        words=parameters.return_timestamps == "word",
        url=file.url,
    )


def _names_by(generation: str) -> FieldNames:
    """The body's names, where `generation` says how the text is generated."""
    return FieldNames(
        {
            "audio": "inputs",
            "timestamps": "parameters.return_timestamps",
            "words": "parameters.return_timestamps",
            "vad": "parameters.vad",
            "language": f"parameters.{generation}.language",
            "translate": f"parameters.{generation}.task",
            "temperature": f"parameters.{generation}.temperature",
        }
    )


_NAMES, _NAMES_OF_KWARGS = _names_by("generation_parameters"), _names_by("generate_kwargs")

RECOGNITION = AudioRoute(
    task=TRANSCRIBE,
    body=RequestBody(RecognitionBody),
    parameters=RecognitionParameters,
    task_input=_input_of,
    output=TranscribeOutput,
    names=lambda parameters: _NAMES if parameters.generate_kwargs is None else _NAMES_OF_KWARGS,
    answer=recognition,
)
