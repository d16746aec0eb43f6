"""Health, readiness, status and metrics, on the admin port and through Envoy."""

from __future__ import annotations

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc


@pytest.mark.parametrize("path", ["/health", "/ready", "/status", "/metrics", "/v1/metrics"])
def test_each_page_is_the_same_on_both_ports(live_server, path: str) -> None:
    direct, through_envoy = live_server.admin(path), live_server.get(path)
    assert direct.status == through_envoy.status == 200
    assert direct.headers["content-type"] == through_envoy.headers["content-type"]


def test_metrics_tell_where_the_time_of_a_call_went(live_server) -> None:
    live_server.post("/v1/embeddings", {"model": live_server.model, "input": ["hello", "there"]})
    text = live_server.admin("/metrics").body.decode()
    for stage in ("request", "queue", "tokenize", "batch_wait", "run"):
        assert f"panope_{stage}_duration_seconds_count{{" in text, stage
    assert f'panope_batch_size_count{{model="{live_server.model}"}}' in text
    assert 'panope_requests_total{code="OK"' in text


def test_unknown_models_do_not_become_series(live_server) -> None:
    live_server.post("/v1/embeddings", {"model": "forged/series", "input": "hello"})
    assert "forged/series" not in live_server.admin("/metrics").body.decode()


def test_status_tells_versions_ports_and_models(live_server) -> None:
    status = live_server.get("/status").json
    assert status["ports"]["grpc"] == live_server.grpc_port
    assert status["envoy"]["alive"] is True
    (model,) = status["models"]
    assert (model["name"], model["state"]) == (live_server.model, "serving")


def test_hardware_lists_devices_with_precisions(live_server) -> None:
    reply = live_server.get("/v1/hardware")
    assert reply.status == 200
    backends = {device["backend"] for device in reply.json["devices"]}
    assert {"openvino", "cpu"} <= backends


def test_the_catalogue_is_told_whole_and_in_part(live_server) -> None:
    reply = live_server.get("/v1/catalogue?task=generate&backend=openvino")
    assert reply.status == 200
    told = reply.json["architectures"]
    assert reply.json["totals"]["serves"] == len({each["model_type"] for each in told if each["serves"]}) > 0
    assert {each["task"] for each in told} == {"generate"}
    refused = live_server.get("/v1/catalogue?task=dance")
    assert (refused.status, refused.json["error"]["param"]) == (400, "task")


def test_info_tells_why_the_model_runs_as_it_does(live_server) -> None:
    info = live_server.get(f"/v1/models/{live_server.model}/info").json
    (instance,) = info["instances"]
    assert instance["backend"] == "openvino"
    assert instance["selection_reason"]
    assert info["embed"] == {
        "dimensions": 384,
        "max_tokens": 256,
        "prompt_names": info["embed"]["prompt_names"],
        "pooling": "mean",
        "normalize": True,
        "batching": "any",
        "inputs": ["texts"],
        "image_poolings": [],
    }
    assert {tensor["name"] for tensor in info["inputs"]} == {"input_ids", "attention_mask", "token_type_ids"}


def test_health_answers_for_the_server_each_service_and_each_model(live_server) -> None:
    with grpc.insecure_channel(live_server.grpc_address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", "panope.v1.EmbedService", live_server.model):
            answer = health.Check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as caught:
            health.Check(health_pb2.HealthCheckRequest(service="acme/none"))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_the_processors_tell_how_busy_they_are_wherever_devices_are_told(live_server) -> None:
    def has_usage(device) -> bool:
        usage = device["usage"]
        return usage is not None and 0 < usage["memory_used_bytes"] < usage["memory_total_bytes"]

    for path in ("/v1/hardware", "/status"):
        devices = live_server.get(path).json["devices"]
        assert all(has_usage(device) for device in devices if device["name"] == "CPU"), path
        assert any(device["name"] == "CPU" for device in devices)
    text = live_server.admin("/metrics").body.decode()
    assert 'panope_device_memory_used_bytes{device="host"}' in text
