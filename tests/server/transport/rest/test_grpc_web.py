"""gRPC-Web through Envoy: binary and text, one answer and streams, and what is refused, as pages send it."""

from __future__ import annotations

import base64
import re
import struct
from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message
from rest_doubles.models import GENERATOR

from panope.v1 import embed_service_pb2, generate_service_pb2
from panope_backends.errors import OverloadedError
from panope_envoy.route_table import ADMIN_PREFIXES
from panope_server.transport.grpc.services import PUBLIC_SERVICES

ORIGIN = "https://app.example.org"
BINARY, TEXT = "application/grpc-web+proto", "application/grpc-web-text"
TRAILER = 0x80
EMBED = "/panope.v1.EmbedService/Embed"
GOOD = embed_service_pb2.EmbedRequest(model="acme/embedder", texts=["abc"])


@dataclass(frozen=True)
class WebReply:
    """An answer: its messages, and the status that came after them, or in their place in the headers."""

    http_status: int
    headers: dict[str, str]
    messages: list[bytes]
    trailers: dict[str, str]

    @property
    def code(self) -> str:
        return self.trailers.get("grpc-status", self.headers.get("grpc-status", ""))

    @property
    def words(self) -> str:
        return self.trailers.get("grpc-message", self.headers.get("grpc-message", ""))


def framed(message: Message | bytes, flag: int = 0) -> bytes:
    data = message if isinstance(message, bytes) else message.SerializeToString()
    return struct.pack(">BI", flag, len(data)) + data


def read(reply: Any, kind: str) -> WebReply:
    body = reply.body
    if kind == TEXT:  # each piece that was sent is base64 by itself, padding included
        body = b"".join(base64.b64decode(piece) for piece in re.findall(rb"[^=]+=*", body))
    messages, trailers = [], {}
    while body:
        flag, size = struct.unpack(">BI", body[:5])
        data, body = body[5 : 5 + size], body[5 + size :]
        if flag & TRAILER:
            lines = (line.partition(":") for line in data.decode().split("\r\n") if line)
            trailers = {name.strip(): value.strip() for name, _, value in lines}
        else:
            messages.append(data)
    return WebReply(reply.status, reply.headers, messages, trailers)


def call(edge: Any, path: str, sent: Message | bytes, kind: str = BINARY, **more: str) -> WebReply:
    body = sent if isinstance(sent, bytes) else framed(sent)
    headers = {"content-type": kind, "accept": kind, "x-grpc-web": "1", "origin": ORIGIN}
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    return read(edge.post(path, base64.b64encode(body) if kind == TEXT else body, headers), kind)


def methods() -> list[Any]:
    """Every method of ours that takes one request; those of keys are not for pages."""
    pool = descriptor_pool.Default()
    names = [name for name in PUBLIC_SERVICES if name.startswith("panope.") and f"/{name}/" not in ADMIN_PREFIXES]
    services = [pool.FindServiceByName(name) for name in names]
    return [method for service in services for method in service.methods if not method.client_streaming]


def path_of(method: Any) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


@pytest.mark.parametrize("kind", [BINARY, TEXT])
@pytest.mark.parametrize("method", methods(), ids=path_of)
def test_every_method_answers_pages_with_a_status(edge, method, kind):
    request = message_factory.GetMessageClass(method.input_type)()
    if "model" in method.input_type.fields_by_name:
        request.model = "acme/none"
    reply = call(edge, path_of(method), request, kind)
    assert (reply.http_status, reply.headers["content-type"]) == (200, f"{kind.removesuffix('+proto')}+proto")
    assert reply.code in {"0", "3", "5", "9"}, reply.words
    assert reply.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize("kind", [BINARY, TEXT])
def test_one_answer_comes_with_its_status_behind_it(edge, kind):
    reply = call(edge, EMBED, GOOD, kind)
    assert embed_service_pb2.EmbedResponse.FromString(reply.messages[0]).count == 1
    assert (len(reply.messages), reply.trailers["grpc-status"]) == (1, "0")
    assert reply.trailers["x-request-id"] == reply.headers["x-request-id"]


@pytest.mark.parametrize("kind", [BINARY, TEXT])
def test_a_stream_comes_message_by_message(edge, kind):
    request = generate_service_pb2.StreamGenerateRequest()
    request.request.model = GENERATOR
    request.request.prompts.append("once")
    reply = call(edge, "/panope.v1.GenerateService/StreamGenerate", request, kind)
    assert reply.code == "0", reply.words
    assert len(reply.messages) > 2
    answers = [generate_service_pb2.StreamGenerateResponse.FromString(message) for message in reply.messages]
    assert "".join(delta.text for answer in answers for delta in answer.deltas) == "Hello wörld"


@pytest.mark.parametrize("kind", [BINARY, TEXT])
def test_an_unknown_model_is_not_found(edge, kind):
    reply = call(edge, EMBED, embed_service_pb2.EmbedRequest(model="acme/none", texts=["abc"]), kind)
    assert (reply.http_status, reply.code, reply.messages) == (200, "5", [])
    assert reply.words == "there is no model `acme/none`"


def test_an_overload_tells_pages_when_to_come_back(edge):
    edge.instances.failure = OverloadedError("the queue is full", retry_after_seconds=0.25)
    reply = call(edge, EMBED, GOOD)
    assert (reply.code, {**reply.headers, **reply.trailers}["retry-after-ms"]) == ("8", "250")


@pytest.mark.parametrize("kind", [BINARY, TEXT])
@pytest.mark.parametrize("sent", [framed(b"\xff\xff\xff"), framed(b"\x0a\xff")])
def test_bytes_that_are_no_message_are_an_invalid_argument(edge, kind, sent):
    reply = call(edge, EMBED, sent, kind)
    assert (reply.http_status, reply.code) == (200, "3")
    assert reply.words == "the message is not valid protobuf of the method's request type"


@pytest.mark.parametrize("sent", [b"", b"\0\0", framed(GOOD)[:-1], framed(GOOD, flag=1), b"\0\xff\xff\xff\xff"])
def test_a_frame_that_is_none_ends_the_call_with_a_status(edge, sent):
    reply = call(edge, EMBED, sent)
    assert reply.code not in {"", "0"}
    assert not edge.instances.calls
    assert call(edge, EMBED, GOOD).code == "0"


@pytest.mark.parametrize("sent", [b"!!!!", base64.b64encode(framed(GOOD)).rstrip(b"=")[:-1], framed(GOOD)])
def test_text_that_is_no_base64_is_the_callers_fault_and_told_as_such(edge, sent):
    reply = edge.post(EMBED, sent, {"content-type": TEXT, "x-grpc-web": "1"})
    told = "the body is not base64, as application/grpc-web-text is"
    assert (reply.status, reply.error["message"], reply.error["code"]) == (400, told, "malformed_request")
    assert (reply.headers.get("grpc-status"), reply.headers.get("grpc-message")) == ("3", told)
    assert not edge.instances.calls


def test_a_message_that_is_too_large_is_an_invalid_argument(edge):
    reply = call(edge, EMBED, embed_service_pb2.EmbedRequest(model="acme/embedder", texts=["a" * (1 << 20)] * 2))
    assert reply.code in {"3", "8"}
    assert not edge.instances.calls


@pytest.mark.parametrize("kind", [BINARY, TEXT])
@pytest.mark.parametrize(
    "path",
    [
        "/panope.rest.v1.OpenAiService/CreateEmbeddings",
        "/panope.worker.v1.Worker/Run",
        "/grpc.channelz.v1.Channelz/GetTopChannels",
        "/panope.v1.EmbedService/Nothing",
    ],
)
def test_what_is_not_for_callers_is_not_reached(edge, kind, path):
    body = framed(b"")
    headers = {"content-type": kind, "x-grpc-web": "1"}
    reply = edge.post(path, base64.b64encode(body) if kind == TEXT else body, headers)
    assert reply.status == 404 or read(reply, kind).code == "12"
    assert not edge.instances.calls


def test_the_deadline_of_a_page_reaches_the_pipeline(edge):
    call(edge, EMBED, GOOD, grpc_timeout="5S")
    made = edge.instances.calls[-1]
    assert made.deadline - made.started <= 5
    edge.instances.hold = True
    reply = call(edge, EMBED, GOOD, grpc_timeout="200m")
    ours, of_grpc = "the call's deadline passed before there was an answer", "Deadline Exceeded"
    assert (reply.code, reply.words in (ours, of_grpc)) == ("4", True), "whichever of both notices it first"


def test_a_page_that_was_rebound_is_refused(edge):
    headers = {"content-type": BINARY, "x-grpc-web": "1", "host": "evil.example"}
    assert edge.post(EMBED, framed(GOOD), headers).status == 403
