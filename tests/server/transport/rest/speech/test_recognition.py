"""Bodies of speech recognition, as Hugging Face's client sends them: each refusal names the place in the body."""

import base64

import msgspec
import pytest
from google.api.httpbody_pb2 import HttpBody

from panope_backends.errors import InvalidInputError
from panope_server.tasks.speech.transcribe import TranscribeInput
from panope_server.transport.rest.json.unknown_fields import UnknownFields
from panope_server.transport.rest.speech.recognition import RECOGNITION

UNKNOWN = UnknownFields(report=False)
AUDIO = base64.b64encode(b"audio").decode()
GENERATION = ("generation_parameters", "generate_kwargs")


def read(parameters: object, inputs: str = AUDIO) -> TranscribeInput:
    body = HttpBody(
        content_type="application/json", data=msgspec.json.encode({"inputs": inputs, "parameters": parameters})
    )
    return RECOGNITION.read(body, UNKNOWN, from_page=False).task_input


@pytest.mark.parametrize("name", GENERATION)
def test_what_is_said_of_the_text_is_honoured_by_both_names(name):
    told = read({name: {"task": "translate", "language": "de", "temperature": 0.5}, "return_timestamps": True})
    assert told == TranscribeInput(b"audio", "de", translate=True, temperature=0.5, timestamps=True)


@pytest.mark.parametrize("name", GENERATION)
@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"task": "sing"}, "task", "transcribe"),
        ({"task": 1}, "task", "str"),
        ({"task": ""}, "task", "transcribe"),
        ({"language": 5}, "language", "str"),
        ({"temperature": "hot"}, "temperature", "float"),
    ],
)
def test_a_wrong_value_is_named_with_its_whole_path_in_field_and_message(name, given, field, said):
    path = f"parameters.{name}.{field}"
    with pytest.raises(InvalidInputError) as refusal:
        read({name: given})
    assert refusal.value.field == path
    assert f"`{path}`" in refusal.value.message
    assert said in refusal.value.message.replace("text", "str").replace("number", "float")


@pytest.mark.parametrize("name", GENERATION)
def test_an_unknown_field_is_named_with_its_place(name):
    with pytest.raises(InvalidInputError, match=f"unknown field `top_k` in `parameters.{name}`") as refusal:
        read({name: {"top_k": 3}})
    assert refusal.value.field == f"parameters.{name}.top_k"


def test_both_names_at_once_are_refused_though_one_is_empty():
    with pytest.raises(InvalidInputError, match="give one of them"):
        read({"generation_parameters": {}, "generate_kwargs": {"task": "translate"}})
    assert read({"generation_parameters": None, "generate_kwargs": {"task": "translate"}}).translate
