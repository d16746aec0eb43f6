"""The real façade behind the real Envoy; only what is below the façade is made up, in `rest_doubles`."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from panope_backends.errors import DeadlineError, InstanceLostError, OverloadedError, PreconditionError
from panope_envoy.options import EdgeOptions
from panope_server.access.authentication import AnonymousAccess
from panope_server.config import Limits, OpenAiSettings, Settings
from panope_server.observability.loaded_models import LoadTotals
from panope_server.observability.metrics import Metrics
from panope_server.pipeline.read_value import ReadValue
from panope_server.pipeline.resolve import Resolve
from panope_server.pipeline.step import Pipeline
from panope_server.pipeline.token_ids.step import TokenIds
from panope_server.pipeline.validate import Validate
from panope_server.runtime.media_files.fetcher import MediaFetcher
from panope_server.runtime.placement.memory_budget import MemoryBudget
from panope_server.runtime.processes.envoy import EnvoyProcess
from panope_server.transport.grpc.server import GrpcServer
from panope_server.transport.grpc.services import PUBLIC_SERVICES
from panope_server.transport.health import Health
from panope_server.transport.http.admin import AdminServer, admin_app
from panope_server.transport.http.files import file_routes
from panope_server.transport.http.hub.app import hub_routes
from panope_server.transport.http.job_files import job_file_routes
from panope_server.transport.http.status import JobWorkerJson, PortsJson, loaded_models_json, status_json
from panope_server.transport.interceptors.chain import interceptors_for
from panope_server.transport.interfaces import Keys, ResponseCache
from panope_server.transport.rest.panope.model_schemas import device_json
from panope_server.transport.running_calls import RunningCalls
from panope_server.transport.services import Services

sys.path.insert(0, str(Path(__file__).resolve().parent))  # for `rest_doubles`

from rest_doubles.aliases import FakeAliases, FakeRoutes
from rest_doubles.edge import Edge
from rest_doubles.generation_jobs import FakeGenerationJobs
from rest_doubles.instances import FakeInstances
from rest_doubles.jobs import FakeJobs, job_entries
from rest_doubles.models import DEFAULTS, OPENAIS_IDS, OWN_IDS, FakeModels, model_views
from rest_doubles.registry import FakeAcquisition, FakeFiles, FakeModelAdmin
from rest_doubles.usage import FakeUsage

MAX_BODY_BYTES = 1 << 20
MAX_ITEMS = 64
REQUEST_SECONDS = 5


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def running_edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="server")
    thread.start()
    folder = tmp_path_factory.mktemp("edge")
    models, instances, not_ready = FakeModels(model_views()), FakeInstances(), dict[str, str]()
    metrics = Metrics()
    jobs, aliases, acquisition = FakeJobs(job_entries()), FakeAliases(), FakeAcquisition()
    routes = FakeRoutes(aliases)
    generation_jobs = FakeGenerationJobs(jobs, folder)
    model_admin = FakeModelAdmin(models)
    content = bytes(range(256)) * (4 << 12)
    (folder / "blob").write_bytes(content)
    files = FakeFiles(folder / "blob", hashlib.sha256(content).hexdigest())
    settings = Settings(
        grpc_port=free_port(),
        http_port=free_port(),
        limits=Limits(max_items=MAX_ITEMS, max_message_bytes=MAX_BODY_BYTES),
        openai=OpenAiSettings(native_token_ids=(OWN_IDS,), cl100k_token_ids=(OPENAIS_IDS,)),
    )

    async def start() -> tuple[GrpcServer, AdminServer, EnvoyProcess]:
        validate = Validate(settings.limits, MediaFetcher(settings.media_urls).check)
        token_ids = TokenIds(settings.openai, settings.limits, validate.check)
        pipeline = Pipeline([validate, Resolve(models), ReadValue(validate.check), token_ids], instances.answer)
        calls = RunningCalls()
        front = Pipeline([validate, Resolve(models)], instances.accept)
        generation_jobs.front = front
        services = Services(
            settings=settings,
            pipeline=pipeline,
            models=models,
            model_admin=model_admin,
            acquisition=acquisition,
            jobs=jobs,
            generation_jobs=generation_jobs,
            aliases=aliases,
            routes=routes,
            usage=FakeUsage(),
            keys=Mock(spec_set=Keys),
            cache=Mock(spec_set=ResponseCache),
            health=Health(PUBLIC_SERVICES),
            calls=calls,
        )
        interceptors = interceptors_for(
            calls, metrics, AnonymousAccess(), log_requests=False, max_message_bytes=MAX_BODY_BYTES
        )
        grpc_server = GrpcServer(services, interceptors)
        await grpc_server.start(folder / "grpc.sock")

        async def status() -> object:
            return status_json(
                version="1",
                uptime_seconds=1.0,
                ports=PortsJson(8000, 8001, 8002),
                envoy=None,
                job_worker=JobWorkerJson("off", 0, 0, 0),
                not_ready=not_ready,
                loaded_models=loaded_models_json(MemoryBudget(), LoadTotals(hits=3)),
                models=await models.list(),
                devices=[device_json(device, models.device_usage(device)) for device in await models.devices()],
            )

        app = admin_app(
            exposition=lambda: b"panope_up 1\n",
            openmetrics=lambda: b"panope_up 1\n# EOF\n",
            not_ready=lambda: not_ready,
            status=status,
            hosts=("localhost", "127.0.0.1"),
            more=[*file_routes(files), *hub_routes(files), *job_file_routes(generation_jobs)],
        )
        admin = AdminServer(app, "127.0.0.1", 0)
        await admin.start()
        options = EdgeOptions(
            grpc_socket=str(folder / "grpc.sock"),
            envoy_admin_socket=str(folder / "envoy.sock"),
            http_port=settings.http_port,
            admin_port=admin.port,
            max_body_bytes=MAX_BODY_BYTES,
            cors_origins=("https://app.example.org",),
            access_log=str(folder / "access.log"),
            request_seconds=REQUEST_SECONDS,
        )
        envoy = EnvoyProcess(options, folder, folder / "envoy.log")
        await envoy.start()
        return grpc_server, admin, envoy

    grpc_server, admin, envoy = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    edge = Edge(
        http_port=settings.http_port,
        grpc_port=settings.grpc_port,
        admin_port=admin.port,
        models=models,
        instances=instances,
        jobs=jobs,
        generation_jobs=generation_jobs,
        aliases=aliases,
        acquisition=acquisition,
        model_admin=model_admin,
        files=files,
        not_ready=not_ready,
        loop=loop,
        admin_socket=str(folder / "envoy.sock"),
        access_log=folder / "access.log",
        envoy=envoy,
    )
    yield edge

    async def stop() -> None:
        await envoy.stop(grace_seconds=1)
        await admin.stop()
        await grpc_server.stop()

    scripts = edge.stats("lua.errors")
    edge.run(stop())
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    # A script that fails lets the answer pass as it was, so only this tells.
    assert "http.edge.lua.errors: 0" in scripts


@pytest.fixture
def edge(running_edge: Edge) -> Edge:
    """The running façade as new."""
    running_edge.models.views = model_views()
    running_edge.models.loaded.clear()
    running_edge.models.defaults.update(DEFAULTS)
    running_edge.jobs.__init__(job_entries())  # type: ignore[misc]  # the same object, as at first
    running_edge.acquisition.__init__()  # type: ignore[misc]  # the same object, as at first
    running_edge.model_admin.__init__(running_edge.models)  # type: ignore[misc]  # the same object, as at first
    running_edge.aliases.__init__()  # type: ignore[misc]  # the same object, as at first
    running_edge.not_ready.clear()
    running_edge.instances.__init__()  # type: ignore[misc]  # the same object, as at first
    return running_edge


@pytest.fixture
def failures() -> dict[str, Exception]:
    """Errors of the layers below, by what they mean."""
    return {
        "busy": OverloadedError("the queue is full", retry_after_seconds=0.25),
        "lost": InstanceLostError("the instance was lost"),
        "late": DeadlineError("the time was up"),
        "in_use": PreconditionError("the model is in use: leased", reason="in_use", field="model"),
        "defect": RuntimeError("secret /etc/passwd"),
    }
