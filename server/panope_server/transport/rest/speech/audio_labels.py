"""Hugging Face's classification of audio: the file itself, or JSON with the file in base64."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from google.api.httpbody_pb2 import HttpBody
from msgspec import Meta, Struct

from panope_server.tasks.speech.classify_audio import ClassifyAudioInput, ClassifyAudioOutput
from panope_server.transport.rest.hugging_face.schemas import CallOptions
from panope_server.transport.rest.json.requests import RequestBody
from panope_server.transport.rest.json.unknown_fields import UnknownFields
from panope_server.transport.rest.speech.audio_bodies import audio_in, audio_of


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
        inputs: The file in base64, or its URL where the server fetches from its host.
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


_BODY = RequestBody(AudioLabelsBody)


def read_audio_labels(
    body: HttpBody, unknown: UnknownFields, *, from_page: bool
) -> tuple[ClassifyAudioInput, AudioLabelsBody]:
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
        return ClassifyAudioInput(sent), AudioLabelsBody("")
    told = _BODY.read(body, unknown)
    how = told.parameters or AudioLabelsParameters()
    audio, url = audio_in(told.inputs)
    return ClassifyAudioInput(audio, how.function_to_apply or "", how.top_k, url), told


def audio_labels(output: ClassifyAudioOutput) -> list[AudioLabelJson]:
    """The answer, the highest score first."""
    return [{"label": each.label, "score": each.score} for each in output.labels]
