"""What tools of gRPC ask every server: health, reflection, pings."""

from __future__ import annotations

import time

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from panope_server.transport.grpc.services import PUBLIC_SERVICES


@pytest.fixture(params=["grpc", "http"])
def channel(edge, request):
    port = edge.grpc_port if request.param == "grpc" else edge.http_port
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel


def test_health_lists_every_name_with_its_status(channel):
    listed = health_pb2_grpc.HealthStub(channel).List(health_pb2.HealthListRequest(), timeout=10)
    assert set(listed.statuses) == {"", *PUBLIC_SERVICES}
    assert {told.status for told in listed.statuses.values()} == {health_pb2.HealthCheckResponse.SERVING}


def test_health_of_an_unknown_name_is_not_found_and_can_be_watched(channel):
    stub = health_pb2_grpc.HealthStub(channel)
    with pytest.raises(grpc.RpcError) as raised:
        stub.Check(health_pb2.HealthCheckRequest(service="acme/none"), timeout=10)
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND
    watch = stub.Watch(health_pb2.HealthCheckRequest(service="acme/none"), timeout=10)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watch.cancel()


@pytest.mark.parametrize(
    ("symbol", "file"),
    [
        ("panope.v1.EmbedService", "panope/v1/embed_service.proto"),
        ("panope.v1.EmbedService.Embed", "panope/v1/embed_service.proto"),
        ("panope.v1.EmbedService.StreamEmbed", "panope/v1/embed_service.proto"),
        ("panope.v1.EmbedRequest", "panope/v1/embed_service.proto"),
        ("panope.v1.EmbedRequest.prompt_name", "panope/v1/embed_service.proto"),
        ("panope.v1.Model.State", "panope/v1/model.proto"),
        ("grpc.health.v1.Health.Check", "grpc_health/v1/health.proto"),
    ],
)
def test_reflection_finds_services_and_what_stands_in_them(channel, symbol, file):
    asked = reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol)
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    (answer,) = stub.ServerReflectionInfo(iter([asked]), timeout=10)
    found = [FileDescriptorProto.FromString(data) for data in answer.file_descriptor_response.file_descriptor_proto]
    assert found[0].name == file


@pytest.mark.parametrize("symbol", ["panope.v1.EmbedService.None", "panope.v1.None", "None", "", "."])
def test_reflection_of_what_does_not_exist_is_not_found(channel, symbol):
    asked = reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol)
    (answer,) = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([asked]), timeout=10)
    assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


@pytest.mark.slow
def test_pings_every_ten_seconds_are_borne(edge):
    options = [
        ("grpc.keepalive_time_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    with grpc.insecure_channel(f"127.0.0.1:{edge.grpc_port}", options) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        next(watch)
        time.sleep(45)  # three pings are two too many where they are counted
        assert watch.is_active()
        watch.cancel()
