"""Callers that are gone in every phase of a call: nothing is held for them, and what they used is written down."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from panope.v1 import generate_service_pb2 as pb
from panope.v1 import generate_service_pb2_grpc as pb_grpc
from panope.v1 import generation_pb2 as generation
from seeded_chat import NAME

TOKENS = 400
CALLERS = 4

Caller = Callable[[Any], None]

GAUGES = (
    "panope_in_flight_items",
    "panope_queued_items",
    "panope_running_sequences",
    "panope_waiting_sequences",
    "panope_usage_waiting_requests",
)


def body_of(stream: bool) -> bytes:
    asked = {"model": NAME, "prompt": "once upon", "max_tokens": TOKENS, "ignore_eos": True, "temperature": 0}
    return json.dumps({**asked, "stream": stream}).encode()


def rest(version: str, stream: bool, part: float, *, reads: int = 0, resets: bool = False) -> Caller:
    """Sends a part of a request, reads so many bytes, and is gone: politely, or by a reset.

    One who sends all and reads nothing is gone once a worker has a call.
    """

    def call(server: Any) -> None:
        body = body_of(stream)
        head = f"POST /v1/completions HTTP/{version}\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        whole = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
        with socket.create_connection(("127.0.0.1", server.http_port)) as connection:
            connection.settimeout(60)
            # A small window, so that a reader who stops is a slow one at once.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            connection.sendall(whole[: int(len(whole) * part)])
            if part == 1.0 and not reads:
                server.wait(lambda: value_of(server, "panope_in_flight_items") > 0, 60, "a call in a worker")
            if reads:
                assert connection.recv(reads)[8:].startswith(b" 200 OK")
            if resets:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    return call


def by_grpc(reads: int, timeout: float | None = None) -> Caller:
    """Reads so many messages of a stream and cancels it, or lets its deadline pass."""

    def call(server: Any) -> None:
        options = generation.GenerationOptions(max_tokens=TOKENS, ignore_eos=True)
        asked = pb.GenerateRequest(model=NAME, prompts=["once upon"], options=options)
        with grpc.insecure_channel(server.grpc_address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            stub = pb_grpc.GenerateServiceStub(channel)
            stream = stub.StreamGenerate(pb.StreamGenerateRequest(request=asked), timeout=timeout)
            for _ in range(reads):
                next(stream)
            if timeout is None:
                stream.cancel()
            elif not reads:
                stream.code()

    return call


def unary_by_grpc(server: Any) -> None:
    options = generation.GenerationOptions(max_tokens=TOKENS, ignore_eos=True)
    asked = pb.GenerateRequest(model=NAME, prompts=["once upon"] * 2, options=options)
    with grpc.insecure_channel(server.grpc_address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        call = pb_grpc.GenerateServiceStub(channel).Generate.future(asked)
        server.wait(lambda: value_of(server, "panope_in_flight_items") > 0, 60, "a call")
        call.cancel()


PHASES: dict[str, Caller] = {
    "in the head": rest("1.1", False, 0.3),
    "in the body": rest("1.1", False, 0.9),
    "after the request": rest("1.1", False, 1.0),
    "after the request, by a reset": rest("1.1", False, 1.0, resets=True),
    "after the request, in HTTP/1.0": rest("1.0", False, 1.0),
    "in the body of a stream": rest("1.1", True, 0.9),
    "after the request of a stream": rest("1.1", True, 1.0),
    "in a stream": rest("1.1", True, 1.0, reads=600),
    "in a stream, by a reset": rest("1.1", True, 1.0, reads=600, resets=True),
    "in a stream, in HTTP/1.0": rest("1.0", True, 1.0, reads=600),
    "before the first message": by_grpc(0),
    "in a stream of messages": by_grpc(3),
    "by a deadline before the first message": by_grpc(0, 0.02),
    "by the channel's end in a stream": by_grpc(2, 60.0),
    "in a call that answers once": unary_by_grpc,
}

#: Those of which the server has no whole request.
UNSENT = ("in the head", "in the body", "in the body of a stream")


def value_of(server: Any, name: str) -> float:
    lines = server.admin("/metrics").body.decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))


def calls(server: Any) -> float:
    """That have come to an end in the pipeline."""
    return value_of(server, "panope_requests_total")


def held(server: Any) -> dict[str, float]:
    return {name: value for name in GAUGES if (value := value_of(server, name))}


@pytest.mark.parametrize("phase", PHASES)
def test_nothing_is_held_for_callers_who_are_gone(seeded_server: Any, phase: str) -> None:
    before = calls(seeded_server)
    callers = [threading.Thread(target=PHASES[phase], args=(seeded_server,)) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(90)
        assert not caller.is_alive()
    if phase not in UNSENT:
        seeded_server.wait(lambda: calls(seeded_server) > before, 20, "the end of a call")
    seeded_server.wait(lambda: not held(seeded_server), 10, f"an end of {held(seeded_server)}")
