"""What happens when parts die."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from panope.v1 import embed_service_pb2 as pb
from panope_client import Client


@pytest.fixture(scope="module")
def shared_server(make_servers: Any, converted_home: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    servers = make_servers(converted_home, tmp_path_factory.mktemp("failures"))
    yield servers.start()
    servers.stop()


@pytest.fixture
def server(shared_server: Any) -> Any:
    """One server that everything befalls after which it goes on."""
    shared_server.wait_ready(30)
    return shared_server


def test_kill_9_of_a_worker_under_load_fails_its_calls_at_once_and_it_comes_back(server, stubs) -> None:
    embed = stubs(server.grpc_address).embed.Embed
    long = pb.EmbedRequest(model=server.model, texts=["many words " * 100] * 256)
    outcomes: list[tuple[grpc.StatusCode, float]] = []
    killed_at: list[float] = []

    def caller() -> None:
        try:
            embed(long, timeout=60)
        except grpc.RpcError as error:
            outcomes.append((error.code(), time.monotonic()))

    threads = [threading.Thread(target=caller) for _ in range(2)]
    for thread in threads:
        thread.start()
    (worker,) = server.workers()
    running = f'panope_in_flight_items{{model="{server.model}"}}'
    server.wait(lambda: _metric(server, running) > 0, 20, "work in the worker")
    killed_at.append(time.monotonic())
    worker.kill()
    server.wait(lambda: server.admin("/ready").status == 503, 5, "unreadiness")
    for thread in threads:
        thread.join(30)
    lost = [(code, at - killed_at[0]) for code, at in outcomes]
    assert lost, "no call was in flight"
    assert all(code is grpc.StatusCode.UNAVAILABLE and seconds < 1 for code, seconds in lost), lost
    server.wait_ready(30)
    assert server.get("/ready").status == 200
    with Client(server.grpc_address) as client:
        assert client.embed(["hello"], model=server.model).vectors.shape == (1, 384)
    assert not worker.is_running()
    assert len(server.workers()) == 1


def test_health_watch_sees_a_model_go_and_come_back(server) -> None:
    with grpc.insecure_channel(server.grpc_address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(service=server.model), timeout=60
        )
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        server.workers()[0].kill()
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()


def test_kill_9_of_the_server_leaves_no_worker_and_no_envoy(servers) -> None:
    server = servers.start()
    children = server.children()
    names = " ".join(" ".join(child.cmdline()) for child in children)
    assert "panope_backends.worker" in names
    assert "envoy" in names
    server.process.kill()
    server.process.wait()
    assert not psutil.wait_procs(children, timeout=5)[1]


def test_sigterm_lets_a_running_call_end_and_leaves_nothing_behind(servers, stubs) -> None:
    server = servers.start()
    children = server.children()
    request = pb.EmbedRequest(model=server.model, texts=["some more words here " * 20] * 200)
    call = stubs(server.grpc_address).embed.Embed.future(request)
    running = f'panope_in_flight_items{{model="{server.model}"}}'
    server.wait(lambda: _metric(server, running) > 0, 20, "work in the worker")
    server.process.send_signal(signal.SIGTERM)
    assert call.result(timeout=60).count == 200
    assert server.process.wait(30) == 0
    assert not psutil.wait_procs(children, timeout=5)[1]


def test_envoy_is_started_again_when_it_dies(server) -> None:
    (envoy,) = [child for child in server.children() if child.name().startswith("envoy")]
    envoy.kill()
    envoy.wait(5)

    def answers() -> bool:
        try:
            return server.get("/health").status == 200
        except OSError:
            return False

    server.wait(answers, 20, "an answer through a new Envoy")
    assert server.admin("/status").json["envoy"]["restart_count"] == 1


def test_a_stopped_worker_does_not_stop_other_methods(server) -> None:
    (worker,) = server.workers()
    os.kill(worker.pid, signal.SIGSTOP)
    try:
        with Client(server.grpc_address) as client, pytest.raises(Exception, match="deadline"):
            client.embed(["hello"], model=server.model, timeout=0.5)
        assert server.get("/v1/models").status == 200
        assert server.get("/health").status == 200
    finally:
        os.kill(worker.pid, signal.SIGCONT)
    with Client(server.grpc_address) as client:
        assert client.embed(["hello"], model=server.model).vectors.shape == (1, 384)


def test_a_caller_that_goes_away_frees_its_place(server, stubs) -> None:
    request = pb.EmbedRequest(model=server.model, texts=["word " * 200] * 512)
    calls = [stubs(server.grpc_address).embed.Embed.future(request) for _ in range(4)]
    metrics = [f'panope_{where}_items{{model="{server.model}"}}' for where in ("queued", "in_flight")]
    # Parts that are done are counted no more.
    server.wait(lambda: sum(_metric(server, metric) for metric in metrics) > 3 * 512, 20, "all calls in the server")
    for call in calls:
        call.cancel()
    seconds = server.wait(lambda: _metric(server, "panope_requests_cancelled_total") >= 4, 10, "cancellation")
    assert seconds < 5
    with Client(server.grpc_address) as client:
        assert client.embed(["hello"], model=server.model).vectors.shape == (1, 384)


def test_unloading_frees_the_worker_and_the_next_call_loads_again(server) -> None:
    reply = server.post("/models/unload", {"model": server.model})
    assert (reply.status, reply.json["state"], server.workers()) == (200, "unloaded", [])
    with Client(server.grpc_address) as client:
        assert client.embed(["hello"], model=server.model).vectors.shape == (1, 384)
    assert server.post("/models/load", {"model": server.model}).json["state"] == "serving"


def test_a_full_queue_is_refused_at_once_with_the_time_to_come_back(servers, stubs) -> None:
    server = servers.start("--set", "limits.max_queue_items=64", "--set", "workers.max_in_flight_items=32", envoy=True)
    embed = stubs(server.grpc_address).embed.Embed
    request = pb.EmbedRequest(model=server.model, texts=["word " * 150] * 32)
    calls = [embed.future(request) for _ in range(12)]
    codes = [call.code() for call in calls]
    assert codes.count(grpc.StatusCode.RESOURCE_EXHAUSTED) >= 1
    assert codes.count(grpc.StatusCode.OK) >= 3
    refused = calls[codes.index(grpc.StatusCode.RESOURCE_EXHAUSTED)]
    trailers = dict(refused.trailing_metadata())
    assert int(trailers["retry-after-ms"]) > 0


def _metric(server, start: str) -> float:
    """The sum of the samples whose line begins so."""
    lines = server.admin("/metrics").body.decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(start))
