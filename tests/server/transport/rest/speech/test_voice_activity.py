"""The form of voice activity: numbers as JSON has them, and refusals by the names that the form has."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from google.api.httpbody_pb2 import HttpBody

from panope_backends.errors import InvalidInputError
from panope_server.config import Limits
from panope_server.pipeline.call import Call
from panope_server.tasks.catalog import task_of
from panope_server.tasks.speech.detect_speech import DetectSpeechOutput, SpeechPart
from panope_server.tasks.speech.transcribe import TranscribeOutput
from panope_server.tasks.speech.vad import OF_DETECTION
from panope_server.tasks.task import Output
from panope_server.transport.rest.speech.servicer import SpeechRestServicer
from panope_server.transport.rest.speech.voice_activity import NUMBERS


class Checking:
    """Checks inputs as the step `validate` does, and keeps them; the end of the pipeline is a script."""

    def __init__(self, refusal: InvalidInputError | None = None) -> None:
        self.inputs: list[Any] = []
        self.refusal = refusal

    async def run(self, call: Call) -> Output:
        task_of(call.input).validate(call.input, Limits())
        if self.refusal is not None:
            raise self.refusal
        self.inputs.append(call.input)
        call.resolved_model = "acme/whisper"
        if call.interface.endswith("DetectVoiceActivity"):
            return DetectSpeechOutput([SpeechPart(0.5, 1.5)], 2.0)
        return TranscribeOutput()


def form(**texts: str) -> HttpBody:
    parts = [b'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\nRIFF']
    parts += [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{text}'.encode() for name, text in texts.items()]
    data = b"".join(b"--B\r\n" + part + b"\r\n" for part in parts) + b"--B--\r\n"
    return HttpBody(content_type="multipart/form-data; boundary=B", data=data)


CONTEXT = cast(
    "Any",
    SimpleNamespace(
        invocation_metadata=lambda: (), peer=lambda: "unix:", time_remaining=lambda: None, auth_context=dict
    ),
)


async def answered(pipeline: Checking, method: str, body: HttpBody) -> bytes:
    servicer = SpeechRestServicer(cast("Any", pipeline))
    return b"".join([message.data async for message in getattr(servicer, method)(body, CONTEXT)])


async def test_numbers_of_the_form_are_what_counts_as_speech() -> None:
    pipeline = Checking()
    told = dict(zip(NUMBERS, ("0.25", "1e-1", "0", "3"), strict=True))
    await answered(pipeline, "DetectVoiceActivity", form(**told))
    options = pipeline.inputs[0].vad_options
    assert [getattr(options, name) for name in NUMBERS] == [0.25, 0.1, 0.0, 3.0]
    await answered(pipeline, "DetectVoiceActivity", form())
    assert pipeline.inputs[1].vad_options == OF_DETECTION


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("text", ["-1", "61", "nan", "inf", "1_0", "\uff11", "+1", "", "one"])
async def test_a_refusal_has_the_name_of_the_form(name: str, text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await answered(Checking(), "DetectVoiceActivity", form(**{name: text}))
    assert caught.value.field == name
    assert f"`{name}`" in caught.value.message


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("DetectVoiceActivity", "audio", "file"),
        ("CreateTranscription", "audio", "file"),
        ("CreateTranslation", "audio", "file"),
        ("CreateTranscription", "vad_options.threshold", "chunking_strategy[threshold]"),
        ("CreateTranscription", "vad_options", "chunking_strategy"),
        ("CreateTranscription", "words", "timestamp_granularities"),
        ("CreateTranslation", "prompt", "prompt"),
    ],
)
async def test_what_a_worker_refuses_has_the_name_of_the_form_too(method: str, path: str, name: str) -> None:
    refusal = InvalidInputError.at(path, "{field} is wrong")
    with pytest.raises(InvalidInputError, match="is wrong") as caught:
        await answered(Checking(refusal), method, form())
    assert caught.value.field == name
