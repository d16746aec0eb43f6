"""What Envoy does before and after the façade: ids, hosts, native gRPC, broken HTTP, cancellation."""

from __future__ import annotations

import http.client
import json
import queue
import socket
import time

import grpc
import pytest
from google.protobuf import struct_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from panope.rest.v1 import openai_service_pb2_grpc
from panope.rest.v1.path_pb2 import NoPath
from panope.v1 import (
    detect_service_pb2,
    embed_service_pb2,
    embed_service_pb2_grpc,
    infer_service_pb2,
    infer_service_pb2_grpc,
    registry_service_pb2_grpc,
)
from panope.v1.registry_service_pb2 import ListModelsRequest

POST = b"POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\n"
BODY = {"model": "acme/embedder", "input": "abc"}


@pytest.fixture
def channel(edge):
    with grpc.insecure_channel(f"127.0.0.1:{edge.http_port}") as channel:
        yield channel


@pytest.mark.parametrize("given", ["abc-123", "A.b_c:d/e=f+g@h", "x" * 128])
def test_a_sane_request_id_is_kept_all_the_way(edge, given):
    reply = edge.post("/v1/embeddings", BODY, {"x-request-id": given})
    assert reply.headers["x-request-id"] == given
    assert edge.instances.calls[-1].request_id == given


@pytest.mark.parametrize("given", [None, "", "x" * 129, "a b", 'a"b', "a;b", "ümlaut"])
def test_a_missing_or_malformed_request_id_is_replaced_everywhere(edge, given):
    reply = edge.post(
        "/v1/embeddings", BODY, {} if given is None else {"x-request-id": given.encode().decode("latin-1")}
    )
    made = reply.headers["x-request-id"]
    assert len(made) == 36
    assert edge.instances.calls[-1].request_id == made
    assert edge.post("/v1/embeddings", BODY).headers["x-request-id"] != made


@pytest.mark.parametrize("path", ["/nowhere", "/v1/models/acme/none", "/ready", "/v1/models"])
def test_every_answer_has_a_request_id(edge, path):
    assert edge.get(path, {"x-request-id": "id-9"}).headers["x-request-id"] == "id-9"


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1", "[::1]:80", "LOCALHOST"])
def test_loopbacks_names_are_served(edge, host):
    assert edge.get("/v1/models", {"host": host}).status == 200
    assert edge.get("/health", {"host": host}).status == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "evil.example:8000", "10.0.0.1"])
@pytest.mark.parametrize("path", ["/v1/models", "/health", "/nowhere"])
def test_a_name_that_was_rebound_to_loopback_is_refused(edge, host, path):
    reply = edge.get(path, {"host": host})
    assert (reply.status, reply.error["code"]) == (403, "host_not_allowed")


def test_a_rebound_name_is_refused_for_grpc_too(edge):
    options = [("grpc.default_authority", "evil.example")]
    with (
        grpc.insecure_channel(f"127.0.0.1:{edge.http_port}", options) as channel,
        pytest.raises(grpc.RpcError) as raised,
    ):
        registry_service_pb2_grpc.RegistryServiceStub(channel).ListModels(ListModelsRequest(), timeout=5)
    assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_native_grpc_passes_the_same_port(edge, channel):
    answer = embed_service_pb2_grpc.EmbedServiceStub(channel).Embed(
        embed_service_pb2.EmbedRequest(model="acme/embedder", texts=["abc"]), metadata=[("x-request-id", "id-1")]
    )
    assert (answer.count, answer.dimensions) == (1, 4)
    assert edge.instances.calls[-1].request_id == "id-1"


def test_native_grpc_streams_both_ways(edge, channel):
    requests = [
        embed_service_pb2.StreamEmbedRequest(
            id=str(i), request=embed_service_pb2.EmbedRequest(model="acme/embedder", texts=["abc"])
        )
        for i in range(5)
    ]
    answers = embed_service_pb2_grpc.EmbedServiceStub(channel).StreamEmbed(iter(requests))
    assert [answer.id for answer in answers] == ["0", "1", "2", "3", "4"]


#: What each request of a stream may hold too much of, by the field that its error names.
TOO_LONG = {
    "id": {"id": "é" * 257},
    "model": {"request": {"model": "m" * 257}},
}


@pytest.mark.parametrize("field", TOO_LONG)
@pytest.mark.parametrize("name", ["embed", "infer", "detect"])
def test_a_request_of_a_stream_with_too_long_a_text_is_refused_in_its_turn_and_the_stream_goes_on(channel, name, field):
    pb = {"embed": embed_service_pb2, "infer": infer_service_pb2, "detect": detect_service_pb2}[name]
    request = getattr(pb, f"Stream{name.title()}Request")
    method = f"/panope.v1.{name.title()}Service/Stream{name.title()}"
    requests = [request(id="first"), request(**TOO_LONG[field]), request(id="last")]
    response = getattr(pb, f"Stream{name.title()}Response")
    call = channel.stream_stream(method, request.SerializeToString, response.FromString)
    answers = list(call(iter(requests), timeout=10))
    assert [answer.id for answer in answers] == ["first", TOO_LONG[field].get("id", "")[:256], "last"]
    assert answers[1].error.field == field
    assert answers[1].error.message == f"`{field}` has 257 characters; the limit is 256"
    assert all("limit" not in answer.error.message for answer in (answers[0], answers[2]))


def test_native_grpc_errors_keep_code_words_and_details(edge, channel):
    with pytest.raises(grpc.RpcError) as raised:
        embed_service_pb2_grpc.EmbedServiceStub(channel).Embed(
            embed_service_pb2.EmbedRequest(model="acme/none", texts=["abc"])
        )
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND
    assert raised.value.details() == "there is no model `acme/none`"
    assert "grpc-status-details-bin" in dict(raised.value.trailing_metadata())


def test_health_and_reflection_pass(channel):
    health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    listed = next(reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([asked])))
    assert "panope.v1.EmbedService" in {service.name for service in listed.list_services_response.service}


def test_the_facade_cannot_be_called_past_the_transcoder(channel):
    call = openai_service_pb2_grpc.OpenAiServiceStub(channel).ListModels
    forged = [("x-envoy-original-method", "GET"), ("x-envoy-original-path", "/v1/models?task=embed")]
    for metadata in ([], forged):
        with pytest.raises(grpc.RpcError) as raised:
            call(NoPath(), metadata=metadata)
        assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_forged_original_path_does_not_reach_the_facade(edge):
    reply = edge.get("/v1/models", {"x-envoy-original-path": "/v1/models?evil=1"})
    assert reply.status == 200


def test_services_that_are_not_listed_are_not_reached(channel):
    for method in ("/panope.worker.v1.Worker/Run", "/grpc.channelz.v1.Channelz/GetServers", "/any.Service/Method"):
        with pytest.raises(grpc.RpcError) as raised:
            channel.unary_unary(method)(b"")
        assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_json_to_the_path_of_a_grpc_method_is_404(edge):
    for path in ("/panope.v1.EmbedService/Embed", "/panope.rest.v1.OpenAiService/CreateEmbeddings"):
        assert (edge.post(path, {}).status, edge.post(path, {}).error["code"]) == (404, "unknown_path")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /v1/models HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nbad_name: 1\r\n\r\n", b"400"),
        (b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 20_000 + b"\r\n\r\n", b"431"),
        (b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n" + b"x: 1\r\n" * 100 + b"\r\n", b"431"),
        (POST + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
        (POST + b"transfer-encoding: chunked\r\n\r\nzz\r\n", b"400"),
    ],
)
def test_broken_http_is_refused(edge, sent, status):
    answer = edge.raw(sent)
    assert answer.startswith(b"HTTP/1.1 " + status), answer[:200]
    assert b"nonsense" not in answer


def test_a_caller_that_goes_away_frees_its_place_at_once(edge):
    edge.instances.hold = True
    data = json.dumps(BODY).encode()
    with socket.create_connection(("127.0.0.1", edge.http_port)) as connection:
        connection.sendall(POST + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(data), data))
        assert edge.instances.held.wait(5)
    assert edge.instances.cancelled.wait(1)


def test_a_deadline_of_a_rest_caller_reaches_the_pipeline(edge):
    edge.post("/v1/embeddings", BODY, {"grpc-timeout": "30S"})
    deadline = edge.instances.calls[-1].deadline
    assert deadline is not None
    assert 0 < deadline - time.monotonic() <= 30
    edge.post("/v1/embeddings", BODY)
    assert edge.instances.calls[-1].deadline is None


@pytest.mark.parametrize("timeout", ["abc", "", "5", "-1S", "999999999S", "1s", "1 S", "1S,2S", "٣S", "1.5S"])
def test_a_malformed_deadline_is_refused_by_name(edge, timeout):
    reply = edge.post("/v1/embeddings", BODY, {"grpc-timeout": timeout.encode()})
    assert (reply.status, reply.error["param"]) == (400, "grpc-timeout")
    assert reply.headers["content-type"] == "application/json"


def test_a_deadline_that_passes_is_504_and_not_tried_again(edge):
    edge.instances.hold = True
    reply = edge.post("/v1/embeddings", BODY, {"grpc-timeout": "50m"})
    assert (reply.status, reply.error["code"]) == (504, "deadline_exceeded")
    assert reply.headers["x-should-retry"] == "false"


def test_answers_do_not_tell_what_runs_behind(edge):
    headers = edge.post("/v1/embeddings", BODY).headers
    assert headers["server"] == "panope"
    assert not {name for name in headers if name.startswith("x-envoy")}


def test_the_access_log_tells_the_path_of_the_caller_and_no_secret(edge):
    edge.post("/v1/embeddings", BODY, {"authorization": "Bearer s3cret", "x-request-id": "logged-1"})
    text = ""
    while "logged-1" not in text:  # Envoy writes it within a second
        text = edge.access_log.read_text()
    line = next(json.loads(line) for line in text.splitlines() if "logged-1" in line)
    assert (line["method"], line["path"], line["status"]) == ("POST", "/v1/embeddings", 200)
    assert "s3cret" not in text


def test_infer_over_native_grpc_shares_the_values_of_rest(edge, channel):
    value = struct_pb2.Value()
    value.struct_value.update({"texts": ["abc"], "dimensions": 2})
    stub = infer_service_pb2_grpc.InferServiceStub(channel)
    answer = stub.Infer(infer_service_pb2.InferRequest(model="acme/embedder", value=value))
    assert len(answer.value.list_value.values[0].list_value.values) == 2


@pytest.mark.parametrize("name", ["k%'t0", "!", "x-a+b", "~z", "a|b", "x^", "#", "x`y"])
def test_a_header_whose_name_grpc_does_not_know_is_passed_over(edge, name):
    assert edge.post("/v1/embeddings", BODY, {name: "v", "x-panope-wait": "true"}).status == 200
    assert edge.instances.calls[-1].wait is True


def test_a_stream_of_requests_may_take_longer_than_a_request(edge, channel):
    requests: queue.Queue[embed_service_pb2.StreamEmbedRequest | None] = queue.Queue()
    answers = embed_service_pb2_grpc.EmbedServiceStub(channel).StreamEmbed(iter(requests.get, None))
    time.sleep(6)  # the edge gives a request five seconds
    requests.put(
        embed_service_pb2.StreamEmbedRequest(
            id="1", request=embed_service_pb2.EmbedRequest(model="acme/embedder", texts=["abc"])
        )
    )
    requests.put(None)
    assert [answer.id for answer in answers] == ["1"]


def test_audio_that_fails_in_its_midst_does_not_end_as_whole_audio_does(edge, failures):
    """HTTP has no status behind a body, so nothing but the connection tells that there was more to come."""
    edge.instances.late_failure = failures["lost"]
    body = {"model": "speech/speaker", "input": "hi"}
    with pytest.raises(http.client.IncompleteRead) as error:
        edge.post("/v1/audio/speech", body)
    assert error.value.partial == b"audio of hi"
    edge.instances.late_failure = None
    assert edge.post("/v1/audio/speech", body).body == b"audio of hi"
