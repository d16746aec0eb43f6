"""SpeechService over real gRPC: what its methods refuse, by name. What answers behind it checks inputs as models do."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from panope.v1 import speech_service_pb2 as pb
from panope.v1 import speech_service_pb2_grpc as pb_grpc
from panope.v1.media_pb2 import Audio
from panope_backends.errors import InvalidInputError
from panope_server.access.authentication import AnonymousAccess
from panope_server.config import Limits
from panope_server.observability.metrics import Metrics
from panope_server.pipeline.call import Call
from panope_server.pipeline.step import Pipeline
from panope_server.tasks.catalog import task_of
from panope_server.tasks.speech.detect_speech import DetectSpeechInput, DetectSpeechOutput, SpeechPart
from panope_server.tasks.speech.speak import SpeakOutput
from panope_server.tasks.speech.transcribe import TranscribeInput, TranscribeOutput
from panope_server.transport.grpc.speech.servicer import SpeechServicer
from panope_server.transport.interceptors.chain import interceptors_for
from panope_server.transport.running_calls import RunningCalls

MODEL = "acme/voice"
AUDIO = Audio(content=b"RIFF")
SECOND = bytes(32_000)

#: A request that each method answers.
REQUESTS: dict[str, Message] = {
    "Transcribe": pb.TranscribeRequest(model=MODEL, audio=AUDIO),
    "StreamTranscribe": pb.StreamTranscribeRequest(request=pb.TranscribeRequest(model=MODEL, audio=AUDIO)),
    "LiveTranscribe": pb.LiveTranscribeRequest(config=pb.LiveTranscribeConfig(model=MODEL)),
    "DetectSpeech": pb.DetectSpeechRequest(model=MODEL, audio=AUDIO),
    "StreamDetectSpeech": pb.StreamDetectSpeechRequest(config=pb.StreamDetectSpeechConfig(model=MODEL)),
    "Speak": pb.SpeakRequest(model=MODEL, text="Hello."),
    "StreamSpeak": pb.StreamSpeakRequest(request=pb.SpeakRequest(model=MODEL, text="Hello.")),
}
LIVE = ("LiveTranscribe", "StreamDetectSpeech")

#: The messages that a method's fields are told within, which its refusals do not name.
WRAPPED = ("StreamTranscribe", "StreamSpeak")


def floats(kind: Descriptor, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Each float of a message, and of those within it."""
    for field in kind.fields:
        if field.cpp_type in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
            yield (*path, field.name)
        elif field.message_type is not None:
            yield from floats(field.message_type, (*path, field.name))


FLOATS = [
    (method.name, path)
    for method in pb.DESCRIPTOR.services_by_name["SpeechService"].methods
    for path in floats(method.input_type)
]


async def answer(call: Call) -> None:
    """As a model in whose audio nothing is said."""
    task_of(call.input).validate(call.input, Limits())
    if task_of(call.input).links(call.input):
        raise InvalidInputError.at("audio", "{field} is fetched from nowhere here")
    call.resolved_model = call.requested_model
    if isinstance(call.input, TranscribeInput):
        await call.output.put(TranscribeOutput())
    elif isinstance(call.input, DetectSpeechInput):
        await call.output.put(DetectSpeechOutput([SpeechPart(0.25, 0.75)], 1.0))
    else:
        await call.output.put(SpeakOutput(b"audio"))


@pytest.fixture
async def stub() -> AsyncIterator[Any]:
    interceptors = interceptors_for(
        RunningCalls(), Metrics(), AnonymousAccess(), log_requests=False, max_message_bytes=4 << 20
    )
    server = grpc.aio.server(interceptors=interceptors)
    pb_grpc.add_SpeechServiceServicer_to_server(SpeechServicer(Pipeline([], answer)), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield pb_grpc.SpeechServiceStub(channel)
    await server.stop(None)


async def answers(stub: Any, method: str, request: Message, audio: Sequence[bytes] = (SECOND,)) -> list[Any]:
    call = getattr(stub, method)
    if method in LIVE:
        kind = type(request)
        return [each async for each in call(iter([request, *(kind(audio=piece) for piece in audio)]))]
    if method.startswith("Stream"):
        return [each async for each in call(request)]
    return [await call(request)]


async def refused_field(stub: Any, method: str, request: Message, audio: Sequence[bytes] = (SECOND,)) -> str:
    """The field that a refusal names."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await answers(stub, method, request, audio)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT, caught.value.details()
    status = status_pb2.Status.FromString(dict(caught.value.trailing_metadata())["grpc-status-details-bin"])
    bad = error_details_pb2.BadRequest()
    assert any(detail.Unpack(bad) for detail in status.details)
    assert f"`{bad.field_violations[0].field}`" in (caught.value.details() or "")
    return bad.field_violations[0].field


def with_value(request: Message, path: Sequence[str], value: float) -> Message:
    changed = type(request)()
    changed.CopyFrom(request)
    target: Any = changed
    for name in path[:-1]:
        target = getattr(target, name)
    setattr(target, path[-1], value)
    return changed


async def test_every_method_answers_its_request(stub: Any) -> None:
    for method, request in REQUESTS.items():
        assert await answers(stub, method, request) or method == "LiveTranscribe"


@pytest.mark.parametrize(
    ("method", "path"), FLOATS, ids=lambda value: value if isinstance(value, str) else ".".join(value)
)
async def test_no_float_may_be_negative_or_without_an_end(stub: Any, method: str, path: tuple[str, ...]) -> None:
    named = ".".join(path[1:] if method in WRAPPED else path)
    for value in (math.nan, math.inf, -math.inf, -1.0, -5e-324):
        refused = with_value(REQUESTS[method], path, value)
        assert await refused_field(stub, method, refused, audio=()) == named, "nothing is being sent when it is refused"


HEADS = {
    "WAV": b"RIFF\x24\0\0\0WAVEfmt ",
    "FLAC": b"fLaC\0\0\0\x22",
    "Ogg": b"OggS\0\x02",
    "MP3": b"ID3\x04\0\0",
    "WebM": b"\x1aE\xdf\xa3\x9f\x42",
    "MP4": b"\0\0\0\x20ftypM4A ",
    "PNG": b"\x89PNG\r\n\x1a\n",
    "AIFF": b"FORM\0\0\0\0AIFF",
    "PDF": b"%PDF-1.7",
}


@pytest.mark.parametrize("method", LIVE)
@pytest.mark.parametrize("kind", HEADS)
async def test_files_are_not_heard_as_samples(stub: Any, method: str, kind: str) -> None:
    file = HEADS[kind] + bytes(3200)
    assert await refused_field(stub, method, REQUESTS[method], [file]) == "audio"
    assert await refused_field(stub, method, REQUESTS[method], [SECOND, file]) == "audio"


@pytest.mark.parametrize("method", LIVE)
async def test_a_stream_begins_with_how_it_is_heard(stub: Any, method: str) -> None:
    kind = type(REQUESTS[method])
    assert await refused_field(stub, method, kind(audio=SECOND)) == "config"
    assert await refused_field(stub, method, kind()) == "config"


def with_audio(method: str, audio: Audio) -> Message:
    changed: Any = type(REQUESTS[method])()
    changed.CopyFrom(REQUESTS[method])
    (changed.request if method == "StreamTranscribe" else changed).audio.CopyFrom(audio)
    return changed


@pytest.mark.parametrize("method", ["Transcribe", "StreamTranscribe", "DetectSpeech"])
async def test_audio_is_refused_by_the_name_that_it_was_sent_under(stub: Any, method: str) -> None:
    assert await refused_field(stub, method, with_audio(method, Audio())) == "audio.content"
    assert await refused_field(stub, method, with_audio(method, Audio(uri="file:///etc/passwd"))) == "audio.uri"
    assert await refused_field(stub, method, with_audio(method, Audio(uri=""))) == "audio.uri"
    assert await refused_field(stub, method, with_audio(method, Audio(uri="https://example.org/none"))) == "audio.uri"
