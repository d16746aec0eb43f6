"""Bodies that ask for labels of audio, as Hugging Face's client sends them: refusals name the place in the body."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from google.api.httpbody_pb2 import HttpBody

from panope_backends.errors import InvalidInputError
from panope_server.config import Limits
from panope_server.pipeline.call import Call
from panope_server.tasks.catalog import task_of
from panope_server.tasks.classify import LabelScore
from panope_server.tasks.speech.classify_audio import ClassifyAudioInput, ClassifyAudioOutput
from panope_server.tasks.task import Output
from panope_server.transport.rest.json.unknown_fields import UnknownFields
from panope_server.transport.rest.speech.audio_labels import AUDIO_LABELS
from panope_server.transport.rest.speech.servicer import SpeechRestServicer

UNKNOWN = UnknownFields(report=False)
AUDIO = base64.b64encode(b"audio").decode()
CONTEXT = cast(
    "Any",
    SimpleNamespace(
        invocation_metadata=lambda: (), peer=lambda: "unix:", time_remaining=lambda: None, auth_context=dict
    ),
)


class Answering:
    """Checks inputs as the step `validate` does, and hears a dog; or refuses as a worker would."""

    def __init__(self, refusal: InvalidInputError | None = None) -> None:
        self.refusal = refusal

    async def run(self, call: Call) -> Output:
        task_of(call.input).validate(call.input, Limits())
        if self.refusal is not None:
            raise self.refusal
        return ClassifyAudioOutput([LabelScore("dog", 0.75), LabelScore("rain", 0.25)], 2.0, 1.0)


def body(**fields: object) -> HttpBody:
    return HttpBody(content_type="application/json", data=msgspec.json.encode({"inputs": AUDIO, **fields}))


async def answered(pipeline: Answering, sent: HttpBody) -> bytes:
    servicer = SpeechRestServicer(cast("Any", pipeline))
    return b"".join([message.data async for message in servicer.ClassifyAudio(sent, CONTEXT)])


@pytest.mark.parametrize("kind", ["audio/wav", "application/octet-stream", ""])
def test_a_body_may_be_the_file(kind):
    told = AUDIO_LABELS.read(HttpBody(content_type=kind, data=b"audio"), UNKNOWN, from_page=False)
    assert (told.task_input, told.model) == (ClassifyAudioInput(b"audio"), None)


def test_json_has_parameters():
    sent = body(model="acme/ears", parameters={"top_k": 2, "function_to_apply": "sigmoid"})
    told = AUDIO_LABELS.read(sent, UNKNOWN, from_page=False)
    assert (told.task_input, told.model) == (ClassifyAudioInput(b"audio", "sigmoid", 2), "acme/ears")


async def test_the_labels_come_as_hugging_face_s_client_reads_them():
    assert json.loads(await answered(Answering(), body())) == [
        {"label": "dog", "score": 0.75},
        {"label": "rain", "score": 0.25},
    ]


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        (HttpBody(content_type="audio/wav"), "inputs"),
        (body(inputs="?"), "inputs"),
        (body(inputs=""), "inputs"),
        (body(inputs="file:///etc/passwd"), "inputs"),
        (body(parameters={"top_k": 0}), "parameters.top_k"),
        (body(parameters={"function_to_apply": "tanh"}), "parameters.function_to_apply"),
        (body(parameters={"nonsense": 1}), "parameters.nonsense"),
    ],
)
async def test_what_is_wrong_is_refused_by_its_place(sent, field):
    with pytest.raises(InvalidInputError) as error:
        await answered(Answering(), sent)
    assert error.value.field == field


async def test_what_a_worker_refuses_is_refused_by_its_place():
    with pytest.raises(InvalidInputError, match="`inputs` is too long") as error:
        await answered(Answering(InvalidInputError.at("audio", "{field} is too long")), body())
    assert error.value.field == "inputs"


def test_a_page_sends_no_file_without_a_type():
    with pytest.raises(InvalidInputError, match="content-type"):
        AUDIO_LABELS.read(HttpBody(data=b"audio"), UNKNOWN, from_page=True)
