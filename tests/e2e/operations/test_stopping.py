"""SIGTERM under load: no accepted call is lost, and nothing that only stays open holds the end up."""

from __future__ import annotations

import http.client
import json
import queue
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from panope.v1 import embed_service_pb2 as pb
from panope.v1 import embed_service_pb2_grpc

TEXTS = ["some words that take a while to run " * 8] * 8


@dataclass
class Load:
    """Callers that call until they are refused; the ids of calls that were answered, and what else happened."""

    answered: set[str] = field(default_factory=set)
    odd: list[object] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def run(self, caller: Callable[[str], bool], name: str) -> None:
        """Calls with one id after another until the caller says that it was refused."""

        def work() -> None:
            for number in range(1_000_000):
                request_id = f"{name}-{number}"
                try:
                    if not caller(request_id):
                        return
                except Exception as error:  # told by the test
                    self.odd.append((request_id, error))
                    return
                self.answered.add(request_id)

        self.threads.append(threading.Thread(target=work, name=name))
        self.threads[-1].start()


def rest_caller(server) -> Callable[[str], bool]:
    """On a connection that is kept as long as the server keeps it."""
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=60)
    body = json.dumps({"model": server.model, "input": TEXTS})

    def call(request_id: str) -> bool:
        headers = {"content-type": "application/json", "x-request-id": request_id}
        try:
            connection.request("POST", "/v1/embeddings", body, headers)
            answer = connection.getresponse()
        except OSError:  # refused, or a connection that ended before it took the request: the log tells
            connection.close()
            return False
        assert (answer.status, len(json.loads(answer.read())["data"])) == (200, len(TEXTS))
        return True

    return call


def grpc_caller(address: str, model: str) -> Callable[[str], bool]:
    channel = grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)])
    stub = embed_service_pb2_grpc.EmbedServiceStub(channel)

    def call(request_id: str) -> bool:
        request = pb.EmbedRequest(model=model, texts=TEXTS)
        try:
            answer = stub.Embed(request, timeout=60, metadata=[("x-request-id", request_id)])
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return False
        assert answer.count == len(TEXTS)
        return True

    return call


def drained(responses: Iterator[object]) -> tuple[list[object], grpc.StatusCode]:
    """What a stream told and how it ended."""
    told: list[object] = []
    try:
        told.extend(responses)  # what came before an error is kept
    except grpc.RpcError as error:
        return told, error.code()
    return told, grpc.StatusCode.OK


@pytest.fixture
def open_ends() -> Iterator[list[socket.socket]]:
    """Connections that stay open."""
    connections: list[socket.socket] = []
    yield connections
    for connection in connections:
        connection.close()


def test_no_accepted_call_is_lost_and_what_stays_open_holds_nothing_up(servers, open_ends) -> None:
    server = servers.start()
    through_envoy = f"127.0.0.1:{server.http_port}"
    # What only stays open: idle connections, half of a request, watches, a stream without requests.
    post = b"POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    for sent in (b"", b"GET /v1/models HTTP/1.1\r\n", post + b"content-length: 999\r\n\r\n{"):
        open_ends.append(socket.create_connection(("127.0.0.1", server.http_port)))
        open_ends[-1].sendall(sent)
    ends: list[tuple[list[object], grpc.StatusCode]] = []
    watchers = []
    for address in (server.grpc_address, through_envoy):
        channel = grpc.insecure_channel(address)
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        requests: queue.Queue[pb.StreamEmbedRequest] = queue.Queue()
        stream = embed_service_pb2_grpc.EmbedServiceStub(channel).StreamEmbed(iter(requests.get, None))
        requests.put(pb.StreamEmbedRequest(id="1", request=pb.EmbedRequest(model=server.model, texts=["a"])))
        assert next(stream).response.count == 1
        for responses in (watch, stream):
            watchers.append(threading.Thread(target=lambda it=responses: ends.append(drained(it)), daemon=True))
            watchers[-1].start()

    load = Load()
    for number in range(6):
        load.run(rest_caller(server), f"rest-{number}")
        load.run(grpc_caller(server.grpc_address, server.model), f"grpc-{number}")
    load.run(grpc_caller(through_envoy, server.model), "grpc-envoy")
    server.wait(lambda: len({name.rpartition("-")[0] for name in load.answered}) == 13, 60, "an answer for each caller")
    server.process.send_signal(signal.SIGTERM)
    sent_at = time.monotonic()
    assert server.process.wait(30) == 0, server.log()[-3000:]
    assert time.monotonic() - sent_at < 25
    for thread in (*load.threads, *watchers):
        thread.join(10)
        assert not thread.is_alive()

    assert load.odd == []
    lines = [json.loads(line) for line in server.log().splitlines() if '"event":"request_finished"' in line]
    calls = {line["request_id"]: line["code"] for line in lines if line["request_id"].startswith(("rest-", "grpc-"))}
    assert {name: code for name, code in calls.items() if code != "OK"} == {}
    assert calls.keys() == load.answered
    assert [code for _, code in ends] == [grpc.StatusCode.UNAVAILABLE] * 4
    statuses = [told[-1].status for told, _ in ends if told]
    assert statuses == [health_pb2.HealthCheckResponse.NOT_SERVING] * 2
    assert '"requests_aborted"' not in server.log()
