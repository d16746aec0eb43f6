"""What `/health`, `/ready`, `/status` and gRPC's health service say, fault after fault: a table, on a real server."""

from __future__ import annotations

import contextlib
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from panope.v1.embed_service_pb2 import EmbedRequest
from panope.v1.embed_service_pb2_grpc import EmbedServiceStub
from panope.v1.registry_service_pb2 import LoadModelRequest, UnloadModelRequest
from panope.v1.registry_service_pb2_grpc import RegistryServiceStub
from panope_server.runtime.models.manager import REFRESH_SECONDS

SECONDS = 100


@dataclass(frozen=True)
class Told:
    """Everything that a server says of itself.

    Attributes:
        health: the status of `/health`.
        ready: that of `/ready`.
        why: what its error says after `not ready: `.
        edge: the status of `/ready` through Envoy; 0 where nothing answers there.
        server: what gRPC says of the server.
        model: and of the model.
        state: of the model in `/status`; empty for none.
        reason: why it is in it.
        envoy: whether `/status` says that Envoy runs.
        jobs: the state of the job worker there.
    """

    health: int = 200
    ready: int = 200
    why: str = ""
    edge: int = 200
    server: str = "SERVING"
    model: str = "SERVING"
    state: str = "serving"
    reason: str = ""
    envoy: bool = True
    jobs: str = "running"


WELL = Told()


@pytest.fixture(scope="module")
def server(make_servers: Any, converted_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One server that every fault of this table befalls."""
    servers = make_servers(converted_home, tmp_path_factory.mktemp("faults"))
    yield servers.start()
    servers.stop()


def told_by(server: Any, channel: grpc.Channel) -> Told:
    ready, status = server.admin("/ready"), server.admin("/status").json
    (model, *_) = [each for each in status["models"] if each["name"] == server.model] or [{}]
    why = ready.json.get("error", {"message": "not ready: "})["message"].removeprefix("not ready: ")
    return Told(
        health=server.admin("/health").status,
        ready=ready.status,
        why=why,
        edge=_edge(server),
        server=_grpc(channel, ""),
        model=_grpc(channel, server.model),
        state=model.get("state", ""),
        reason=model.get("state_reason", ""),
        envoy=status["envoy"]["alive"],
        jobs=status["job_worker"]["state"],
    )


def _edge(server: Any) -> int:
    try:
        return int(server.get("/ready").status)
    except OSError:
        return 0


def _grpc(channel: grpc.Channel, name: str) -> str:
    try:
        request = health_pb2.HealthCheckRequest(service=name)
        status = health_pb2_grpc.HealthStub(channel).Check(request, timeout=SECONDS).status
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(status))
    except grpc.RpcError as error:
        return str(error.code().name)


def until(server: Any, expected: Told) -> None:
    """Waits until the server says that, and nothing else, of itself."""
    with grpc.insecure_channel(server.grpc_address) as channel:
        end = time.monotonic() + SECONDS
        while (found := told_by(server, channel)) != expected:
            if time.monotonic() > end:
                assert found == expected
            time.sleep(0.01)


def stays(server: Any, expected: Told) -> None:
    """Sees the server say the same for longer than it takes to look at its registry twice."""
    with grpc.insecure_channel(server.grpc_address) as channel:
        end = time.monotonic() + 2.5 * REFRESH_SECONDS
        while time.monotonic() < end:
            assert told_by(server, channel) == expected


@contextlib.contextmanager
def worker_killed(server: Any) -> Iterator[None]:
    (worker,) = server.workers()
    worker.kill()
    worker.wait(SECONDS)
    yield


@contextlib.contextmanager
def worker_stopped(server: Any) -> Iterator[None]:
    (worker,) = server.workers()
    worker.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        worker.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def model_unloaded(server: Any) -> Iterator[None]:
    with grpc.insecure_channel(server.grpc_address) as channel:
        stub = RegistryServiceStub(channel)
        stub.UnloadModel(UnloadModelRequest(model=server.model), timeout=SECONDS)
        yield
        stub.LoadModel(LoadModelRequest(model=server.model), timeout=SECONDS)


@contextlib.contextmanager
def envoy_dead(server: Any) -> Iterator[None]:
    """Envoy is killed, and cannot come back while its port is somebody else's."""
    (envoy,) = [child for child in server.children() if child.name().startswith("envoy")]
    envoy.kill()
    envoy.wait(SECONDS)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", server.http_port))  # nobody listens there
        yield


@contextlib.contextmanager
def database_locked(server: Any) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(server.home / "registry.sqlite3", isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


@contextlib.contextmanager
def job_worker_killed(server: Any) -> Iterator[None]:
    (worker,) = [child for child in server.children() if "panope_server.job_worker.worker" in child.cmdline()]
    worker.kill()
    worker.wait(SECONDS)
    yield


RESTARTED = "its worker ended and is being started again"
SILENT = "its worker does not answer"

TABLE: list[tuple[Callable[[Any], contextlib.AbstractContextManager[None]], Told]] = [
    (contextlib.nullcontext, WELL),
    (worker_killed, replace(WELL, ready=503, edge=503, model="NOT_SERVING", state="loading", reason=RESTARTED)),
    (worker_stopped, replace(WELL, ready=503, edge=503, model="NOT_SERVING", state="loading", reason=SILENT)),
    (model_unloaded, replace(WELL, ready=503, edge=503, model="NOT_SERVING", state="unloaded")),
    (envoy_dead, replace(WELL, ready=503, why="Envoy does not run", edge=0, envoy=False)),
    (database_locked, WELL),
    (job_worker_killed, replace(WELL, jobs="backing_off")),
]


@pytest.mark.parametrize(("fault", "told"), TABLE, ids=[fault.__name__ for fault, _ in TABLE])
def test_each_fault_is_told_where_it_matters_and_nowhere_else(server: Any, fault: Any, told: Told) -> None:
    until(server, WELL)
    expected = replace(told, why=server.model) if told.ready == 503 and not told.why else told
    with fault(server):
        until(server, expected)
        if expected == WELL:
            stays(server, WELL)
    until(server, WELL)


def test_a_server_without_models_is_ready(empty_servers: Any) -> None:
    server = empty_servers.start(demo=False, ready=False)
    server.wait(lambda: _answers(server), SECONDS, "an answer")
    assert [reply.status for reply in (server.admin("/ready"), server.get("/ready"), server.admin("/health"))] == [
        200
    ] * 3
    status = server.admin("/status").json
    assert (status["not_ready"], status["models"]) == ({}, [])


def _answers(server: Any) -> bool:
    with contextlib.suppress(OSError):
        told = server.admin("/ready").json
        return "starting" not in told.get("error", {"message": ""})["message"] and server.get("/health").status == 200
    return False


def test_a_draining_server_lives_and_is_not_ready(server: Any) -> None:
    """The last of this file, for it ends the server."""
    until(server, WELL)
    (worker,) = server.workers()
    answers: list[Any] = []
    with grpc.insecure_channel(server.grpc_address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=SECONDS)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        worker.send_signal(signal.SIGSTOP)

        def ask() -> None:
            answers.append(EmbedServiceStub(channel).Embed(EmbedRequest(model=server.model, texts=["a"]), timeout=60))

        asking = threading.Thread(target=ask)
        asking.start()
        server.wait(lambda: _in_flight(server) == 1, SECONDS, "the call with its worker")
        server.process.send_signal(signal.SIGTERM)
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        ready = server.admin("/ready")
        assert (ready.status, ready.json["error"]["message"]) == (503, "not ready: the server is stopping")
        assert (server.admin("/health").status, server.admin("/status").status) == (200, 200)
        worker.send_signal(signal.SIGCONT)
        asking.join(SECONDS)
    assert server.process.wait(SECONDS) == 0
    assert answers[0].count == 1


def _in_flight(server: Any) -> float:
    lines = server.admin("/metrics").body.decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("panope_in_flight_items{"))
