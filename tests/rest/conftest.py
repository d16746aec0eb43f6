"""The real façade behind the real Envoy; only the models are made up."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import socket
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import structlog

from panope_backends.api import Device, TensorSpec
from panope_backends.errors import (
    DeadlineError,
    InstanceLostError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    PreconditionError,
)
from panope_envoy.options import EdgeOptions
from panope_registry.aliases import AliasAction, AliasEntry, AliasEvent
from panope_registry.care.entries import Removal, RemovalKind, Removed
from panope_registry.entries import EVERY_MODEL, ModelFilter
from panope_registry.handlers.requests import (
    ARTIFACT_DOWNLOAD,
    QUANTIZE,
    REPO_SYNC,
    BuildRequest,
    DownloadRequest,
    SyncRequest,
)
from panope_registry.jobs import JobEntry, JobPart, JobProgress, JobStatus
from panope_registry.serving import ServedBlob, ServedFile, ServedRevision
from panope_server.config import Limits, Settings
from panope_server.pipeline.resolve import Resolve
from panope_server.pipeline.step import Pipeline
from panope_server.pipeline.validate import Validate
from panope_server.runtime.envoy import EnvoyProcess
from panope_server.runtime.envoy_admin import EnvoyAdmin
from panope_server.runtime.views import (
    EmbedLimits,
    InstanceState,
    InstanceView,
    ModelState,
    ModelView,
    PinView,
    VariantView,
)
from panope_server.transport.admin import AdminServer, admin_app
from panope_server.transport.files import file_routes
from panope_server.transport.health import Health
from panope_server.transport.server import PUBLIC_SERVICES, GrpcServer
from panope_server.work import Answer, Call, EmbedAnswer, EmbedWork, NamedTensor, TensorAnswer, TensorWork

T = TypeVar("T")

EMBEDDER = "acme/embedder"
TENSORS = "acme/tensors"
DIMENSIONS = 4
MAX_BODY_BYTES = 1 << 20
MAX_TEXTS = 64


def vector_of(text: str) -> list[float]:
    """What the embedder answers: values that float32 does not hold exactly, so that rounding shows."""
    return [len(text) / 10, 0.1, -1 / 3, 1e-7]


@dataclass
class FakeModels:
    """Two models: one that embeds, one that returns its tensors."""

    views: dict[str, ModelView]
    loaded: list[tuple[str, str, str, str]] = field(default_factory=list)

    async def list(
        self, only: ModelFilter = EVERY_MODEL, *, loaded: bool | None = None, after: str = "", limit: int = 100
    ) -> list[ModelView]:
        named = [self.views[name] for name in sorted(self.views) if name > after and name.startswith(only.prefix)]
        serving = [view for view in named if loaded in {None, view.state is ModelState.SERVING}]
        formats = [view for view in serving if only.format in {"", *(variant.format for variant in view.variants)}]
        return [view for view in formats if only.task in {"", view.task}][:limit]

    async def get(self, name: str) -> ModelView:
        if name not in self.views:
            raise NotFoundError(f"there is no model `{name}`", reason="model_not_found", field="model")
        return self.views[name]

    async def load(self, name: str, backend: str = "", precision: str = "", variant: str = "") -> ModelView:
        view = replace(await self.get(name), state=ModelState.SERVING)
        if backend not in {"", "openvino"}:
            raise PreconditionError(f"backend `{backend}` is not installed", field="backend")
        self.loaded.append((name, backend, precision, variant))
        self.views[name] = view
        return view

    async def unload(self, name: str) -> ModelView:
        self.views[name] = view = replace(await self.get(name), state=ModelState.UNLOADED, instances=())
        return view

    async def devices(self) -> list[Device]:
        return [Device(backend="openvino", name="CPU", memory_bytes=1 << 40, precisions=("bf16", "fp32"))]

    async def model_for(self, name: str) -> str:
        return name

    async def task_of(self, model: str) -> str:
        return (await self.get(model)).task

    async def task_candidates_of(self, model: str) -> tuple[str, ...]:
        return ()

    async def default_for(self, task: str) -> str | None:
        return EMBEDDER if task == "embed" else None


@dataclass
class FakeInstances:
    """Answers at the end of the pipeline; `failure` is raised instead when set."""

    calls: list[Call] = field(default_factory=list)
    log_words: list[dict[str, Any]] = field(default_factory=list)
    failure: Exception | None = None
    outputs: list[NamedTensor] | None = None
    hold: bool = False
    held: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)

    async def answer(self, call: Call) -> Answer:
        self.calls.append(call)
        self.log_words.append(structlog.contextvars.get_contextvars())
        if self.failure is not None:
            raise self.failure
        if self.hold:
            await self._until_cancelled()
        match call.work:
            case EmbedWork(texts=texts, token_sequences=sequences):
                return embedded(texts or [" ".join(map(str, ids)) for ids in sequences], call.work.dimensions)
            case TensorWork():
                return TensorAnswer(call.work.inputs if self.outputs is None else self.outputs)
        raise AssertionError(f"no such work: {call.work}")

    async def _until_cancelled(self) -> None:
        self.held.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


@dataclass
class FakeJobs:
    """One job that runs, and what was asked of it."""

    entries: dict[int, JobEntry]
    asked: list[tuple[str, object]] = field(default_factory=list)
    failure: Exception | None = None

    async def list(
        self, *, status: JobStatus | None = None, kind: str = "", after: int = 0, limit: int = 100
    ) -> list[JobEntry]:
        self.asked.append(("list", (status, kind, after, limit)))
        newest_first = sorted(self.entries.values(), key=lambda job: -job.id)
        return [
            job
            for job in newest_first
            if status in {None, job.status} and kind in {"", job.kind} and (not after or job.id < after)
        ][:limit]

    async def get(self, job_id: int) -> JobEntry:
        if job_id not in self.entries:
            raise NotFoundError(f"job {job_id} does not exist", reason="job_not_found", field="job_id")
        return self.entries[job_id]

    async def cancel(self, job_id: int) -> JobEntry:
        self.asked.append(("cancel", job_id))
        return await self._put(job_id, JobStatus.CANCELLED)

    async def retry(self, job_id: int) -> JobEntry:
        self.asked.append(("retry", job_id))
        if (await self.get(job_id)).status is not JobStatus.CANCELLED:
            raise PreconditionError(f"job {job_id} has not failed", reason="job_not_failed")
        return await self._put(job_id, JobStatus.QUEUED)

    async def watch(self, job_id: int) -> AsyncIterator[JobEntry]:
        yield await self.get(job_id)
        if self.failure is not None:
            raise self.failure
        yield await self._put(job_id, JobStatus.SUCCEEDED)

    async def _put(self, job_id: int, status: JobStatus) -> JobEntry:
        self.entries[job_id] = changed = replace(await self.get(job_id), status=status)
        return changed


def job_entries() -> dict[int, JobEntry]:
    created = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    download = JobEntry(
        id=2,
        kind=ARTIFACT_DOWNLOAD,
        status=JobStatus.RUNNING,
        payload={"model": EMBEDDER},
        result={},
        progress=JobProgress("download", 1 << 33, 1 << 34, "bytes", (JobPart("model.safetensors", 1 << 33, 1 << 34),)),
        attempt=2,
        max_attempts=5,
        error_reason="source_unavailable",
        error_message="the hub does not answer",
        retryable=True,
        created_at=created,
        started_at=created,
        finished_at=None,
        run_at=created,
        parent_id=None,
        depends_on=(1,),
        requested_by="rest",
    )
    sync = replace(
        download,
        id=1,
        kind=REPO_SYNC,
        status=JobStatus.SUCCEEDED,
        result={"task": "embed"},
        progress=JobProgress(),
        attempt=1,
        error_reason="",
        error_message="",
        finished_at=created,
        depends_on=(),
    )
    return {1: sync, 2: download}


@dataclass
class FakeAliases:
    """Aliases in memory; `embed` points to the embedder."""

    events: list[AliasEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._add("embed", EMBEDDER, AliasAction.SET, "", "")

    async def list(self, model: str = "") -> list[AliasEntry]:
        newest = {event.alias: event for event in self.events}
        return [_entry(event) for event in newest.values() if event.target_model and model in {"", event.target_model}]

    async def history(self, alias: str) -> list[AliasEvent]:
        found = [event for event in reversed(self.events) if event.alias == alias]
        if not found:
            raise NotFoundError(f"alias `{alias}` does not exist", reason="alias_not_found", field="alias")
        return found

    async def set(
        self, alias: str, model: str, *, variant: str = "", expected: str | None, who: str, reason: str
    ) -> AliasEntry:
        now = next((entry.target_model for entry in await self.list() if entry.name == alias), "")
        if expected not in {None, now}:
            raise PreconditionError("it points elsewhere", reason="alias_moved", field="expected")
        return self._add(alias, model, AliasAction.SET, who, reason, variant)

    async def rollback(self, alias: str, *, expected: str | None, who: str, reason: str) -> AliasEntry:
        history = await self.history(alias)
        return self._add(alias, history[-1].target_model, AliasAction.ROLLED_BACK, who, reason)

    async def remove(self, alias: str, *, expected: str | None, who: str, reason: str) -> None:
        await self.history(alias)
        self._add(alias, "", AliasAction.REMOVED, who, reason)

    def _add(self, alias: str, model: str, action: AliasAction, who: str, reason: str, variant: str = "") -> AliasEntry:
        version = sum(event.alias == alias for event in self.events) + 1
        at = datetime(2026, 1, 2, tzinfo=UTC)
        self.events.append(AliasEvent(alias, version, action, model, variant, who, reason, at))
        return _entry(self.events[-1])


def _entry(event: AliasEvent) -> AliasEntry:
    return AliasEntry(event.alias, event.target_model, event.variant_digest, event.version, event.at)


@dataclass
class FakeAcquisition:
    """Takes every wish and answers with a job."""

    asked: list[tuple[SyncRequest | DownloadRequest | BuildRequest, str]] = field(default_factory=list)

    async def register(self, request: SyncRequest, requested_by: str) -> JobEntry:
        self.asked.append((request, requested_by))
        return job_entries()[1]

    async def pull(self, request: DownloadRequest, requested_by: str) -> JobEntry:
        self.asked.append((request, requested_by))
        return job_entries()[2]

    async def build(self, request: BuildRequest, requested_by: str) -> JobEntry:
        await self.files(request.model)
        self.asked.append((request, requested_by))
        return replace(job_entries()[2], kind=QUANTIZE)

    async def files(self, model: str) -> list[ServedFile]:
        if model != EMBEDDER:
            raise NotFoundError(f"model `{model}` does not exist", reason="model_not_found", field="model")
        return [ServedFile("config.json", "config", 2, "ab" * 32, True), ServedFile("x.bin", "unsafe", 9, "", False)]


@dataclass
class FakeKeeper:
    """Pins and deletes what the models hold."""

    models: FakeModels
    asked: list[tuple[str, ...]] = field(default_factory=list)
    failure: Exception | None = None

    async def pin(self, model: str, variant: str = "", *, who: str, reason: str) -> ModelView:
        self.asked.append(("pin", model, variant, who, reason))
        view = await self.models.get(model)
        pin = PinView(who, reason, datetime(2026, 1, 2, tzinfo=UTC))
        return replace(view, variants=tuple(replace(known, pin=pin) for known in view.variants))

    async def unpin(self, model: str, variant: str = "") -> ModelView:
        self.asked.append(("unpin", model, variant))
        return await self.models.get(model)

    async def delete(self, model: str) -> Removed:
        self.asked.append(("delete", model))
        if self.failure is not None:
            raise self.failure
        await self.models.get(model)
        del self.models.views[model]
        return Removed(("ab" * 32,), (Removal(RemovalKind.UNUSED, "cd" * 32, 1 << 33),))


@dataclass
class FakeFiles:
    """A store of one file, larger than any answer of gRPC may be."""

    path: Path
    sha256: str

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def revision(self, name: str, wanted: str = "main") -> ServedRevision:
        if name != EMBEDDER:
            raise NotFoundError("there is no such model", reason="repo_not_found", field="model")
        file = ServedFile("onnx/model.onnx", "weights", self.size, self.sha256, True)
        return ServedRevision(name, "c" * 40, datetime(2026, 1, 2, tzinfo=UTC), "", "", (file,))

    def blob(self, sha256: str) -> ServedBlob:
        if sha256 != self.sha256:
            raise NotFoundError("there is no such file", reason="entry_not_found")
        return ServedBlob(sha256, self.size, self.path)


def embedded(texts: list[str], dimensions: int | None) -> EmbedAnswer:
    vectors = np.array([vector_of(text)[:dimensions] for text in texts], "<f4")
    if dimensions is not None and dimensions > DIMENSIONS:
        raise InvalidInputError(f"`dimensions` is at most {DIMENSIONS}", field="dimensions")
    return EmbedAnswer(vectors.tobytes(), len(texts), vectors.shape[1], [len(text.split()) for text in texts], [])


def model_views() -> dict[str, ModelView]:
    created = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    instance = InstanceView(
        id="embedder-0",
        variant_digest="sha256:ab",
        backend="openvino",
        device="CPU",
        precision="bf16",
        state=InstanceState.READY,
        pid=4711,
        resident_bytes=1 << 33,
        restart_count=0,
        selection_reason="fastest",
        ready_at=created,
    )
    embedder = ModelView(
        name=EMBEDDER,
        task="embed",
        architecture="BertModel",
        state=ModelState.SERVING,
        state_reason="",
        created_at=created,
        variants=(VariantView("sha256:ab", "openvino", "bf16", 1 << 40),),
        instances=(instance,),
        embed=EmbedLimits(DIMENSIONS, 256, ("query",), "mean", True),
    )
    tensors = replace(
        embedder, name=TENSORS, task="", embed=None, inputs=(TensorSpec("x", "float32", (-1, 2)),), instances=()
    )
    return {EMBEDDER: embedder, TENSORS: tensors}


@dataclass(frozen=True)
class Reply:
    """An HTTP answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error, after a look at its shape."""
        told = self.json
        assert list(told["error"]) == ["message", "type", "param", "code"], told
        assert self.headers["content-type"] == "application/json"
        return dict(told["error"])


@dataclass
class Edge:
    """A running façade, and ways to call it."""

    http_port: int
    grpc_port: int
    admin_port: int
    models: FakeModels
    instances: FakeInstances
    jobs: FakeJobs
    aliases: FakeAliases
    acquisition: FakeAcquisition
    keeper: FakeKeeper
    files: FakeFiles
    not_ready: dict[str, str]
    loop: asyncio.AbstractEventLoop
    admin_socket: str
    access_log: Path
    envoy: EnvoyProcess

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs something in the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def stats(self, name: str) -> str:
        """Envoy's counters whose names hold `name`."""
        return self.run(EnvoyAdmin(self.admin_socket)._request("GET", f"/stats?filter={name}")).decode()

    def request(
        self, verb: str, path: str, body: object = None, headers: dict[str, str] | None = None, port: int = 0
    ) -> Reply:
        """Sends bytes as they are, and anything else as JSON."""
        sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        told = {} if body is None else {"content-type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", port or self.http_port, timeout=30)
        try:
            connection.request(verb, path, sent, {**told, **(headers or {})})
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def post(self, path: str, body: object, headers: dict[str, str] | None = None) -> Reply:
        return self.request("POST", path, body, headers)

    def get(self, path: str, headers: dict[str, str] | None = None) -> Reply:
        return self.request("GET", path, None, headers)

    def raw(self, data: bytes) -> bytes:
        """What is answered to bytes that no HTTP library would send."""
        with socket.create_connection(("127.0.0.1", self.http_port), timeout=10) as connection:
            connection.sendall(data)
            return b"".join(iter(lambda: connection.recv(1 << 16), b""))


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
    jobs, aliases, acquisition = FakeJobs(job_entries()), FakeAliases(), FakeAcquisition()
    keeper = FakeKeeper(models)
    content = bytes(range(256)) * (4 << 12)
    (folder / "blob").write_bytes(content)
    files = FakeFiles(folder / "blob", hashlib.sha256(content).hexdigest())
    settings = Settings(
        grpc_port=free_port(),
        http_port=free_port(),
        limits=Limits(max_texts=MAX_TEXTS, max_message_bytes=MAX_BODY_BYTES),
    )

    async def start() -> tuple[GrpcServer, AdminServer, EnvoyProcess]:
        pipeline = Pipeline([Validate(settings.limits), Resolve(models)], instances.answer)
        grpc_server = GrpcServer(
            settings, pipeline, models, acquisition, jobs, aliases, keeper, Health(PUBLIC_SERVICES)
        )
        await grpc_server.start(folder / "grpc.sock")

        async def status() -> object:
            return {"version": "1", "models": await models.list()}

        app = admin_app(
            exposition=lambda: b"panope_up 1\n",
            not_ready=lambda: not_ready,
            status=status,
            hosts=("localhost", "127.0.0.1"),
            more=file_routes(files),
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
        aliases=aliases,
        acquisition=acquisition,
        keeper=keeper,
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
        await grpc_server.stop(0)

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
    running_edge.jobs.__init__(job_entries())  # type: ignore[misc]  # the same object, as at first
    running_edge.acquisition.asked.clear()
    running_edge.keeper.__init__(running_edge.models)  # type: ignore[misc]  # as above
    running_edge.aliases.__init__()  # type: ignore[misc]  # as above
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
