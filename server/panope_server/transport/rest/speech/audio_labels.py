"""Hugging Face's classification of audio: the file itself, or JSON with the file in base64."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from msgspec import Meta, Struct

from panope_server.tasks.speech.classify_audio import ClassifyAudioInput, ClassifyAudioOutput
from panope_server.transport.field_names import FieldNames
from panope_server.transport.rest.hugging_face.schemas import CallOptions
from panope_server.transport.rest.json.requests import RequestBody
from panope_server.transport.rest.speech.audio_bodies import AudioFile, AudioRoute


class AudioLabelsParameters(Struct, forbid_unknown_fields=True):
    """How audio is classified.

    Attributes:
        function_to_apply: What makes scores of the model's values. Default: as the model's files say.
        top_k: How many labels to tell. Default: all.
    """

    function_to_apply: Literal["softmax", "sigmoid", "none"] | None = None
    top_k: Annotated[int, Meta(ge=1, le=(1 << 32) - 1)] | None = None


class AudioLabelsBody(Struct, forbid_unknown_fields=True):
    """What InferenceClient.audio_classification sends where it has parameters, and `model`.

    Attributes:
        inputs: As of a speech recognition.
        model: Absent for the model of the path, or for the default model.
        parameters: How to classify it.
        options: How to treat the call.
    """

    inputs: str
    model: str | None = None
    parameters: AudioLabelsParameters | None = None
    options: CallOptions | None = None


class AudioLabelJson(TypedDict):
    """A label and its score."""

    label: str
    score: float


def _input_of(file: AudioFile, how: AudioLabelsParameters) -> ClassifyAudioInput:
    return ClassifyAudioInput(file.content, how.function_to_apply or "", how.top_k, url=file.url)


def _answer(output: ClassifyAudioOutput, _: ClassifyAudioInput) -> list[AudioLabelJson]:
    """The highest score first."""
    return [{"label": each.label, "score": each.score} for each in output.labels]


_NAMES = FieldNames(
    {
        "audio": "inputs",
        "function": "parameters.function_to_apply",
        "top_k": "parameters.top_k",
    }
)

AUDIO_LABELS = AudioRoute(
    task="classify",
    body=RequestBody(AudioLabelsBody),
    parameters=AudioLabelsParameters,
    task_input=_input_of,
    output=ClassifyAudioOutput,
    names=lambda _: _NAMES,
    answer=_answer,
)
