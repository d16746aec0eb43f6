"""Bodies of texts to speak, OpenAI's and Hugging Face's: what they ask for, and what is refused by name."""

import msgspec
import pytest
from google.api.httpbody_pb2 import HttpBody

from panope_backends.errors import InvalidInputError
from panope_server.tasks.speech.speak import SpeakInput
from panope_server.transport.rest.json.unknown_fields import UnknownFields
from panope_server.transport.rest.speech.speaking import read_speak, read_speech

UNKNOWN = UnknownFields(report=False)


def body(**fields: object) -> HttpBody:
    return HttpBody(content_type="application/json", data=msgspec.json.encode(fields))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"voice": "default"}, SpeakInput("hi", "default", "mp3", stream=True)),
        ({"voice": {"id": "1"}, "instructions": ""}, SpeakInput("hi", "1", "mp3", stream=True)),
        (
            {"response_format": "wav", "speed": 2, "seed": 5, "stream_format": "audio"},
            SpeakInput("hi", "", "wav", 2.0, 5, stream=False),
        ),
    ],
)
def test_openai_s_body_says_how_a_text_is_spoken(fields, expected):
    assert read_speech(body(input="hi", model="acme/voice", **fields), UNKNOWN) == (expected, "acme/voice")


def test_hugging_face_s_body_gets_flac():
    task_input, told = read_speak(body(inputs="hi", parameters={"speed": 0.5, "voice": "1"}), UNKNOWN)
    assert task_input == SpeakInput("hi", "1", "flac", 0.5)
    assert told.model is None


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"instructions": "Speak softly."}, "instructions"),
        ({"stream_format": "sse"}, "stream_format"),
        ({"response_format": "midi"}, "response_format"),
        ({"speed": 5}, "speed"),
        ({"seed": -1}, "seed"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(fields, field):
    with pytest.raises(InvalidInputError) as error:
        read_speech(body(input="hi", **fields), UNKNOWN)
    assert error.value.field == field
