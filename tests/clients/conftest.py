"""A fake server that keeps what it was asked, both Python clients behind one asynchronous face, and Go's tools."""
# ruff: noqa: N802 -- gRPC names the methods

from __future__ import annotations

import asyncio
import inspect
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest
from google.protobuf import struct_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as aio_health

from panope.v1 import embed_service_pb2 as embed_pb
from panope.v1 import embed_service_pb2_grpc as embed_grpc
from panope.v1 import infer_service_pb2 as infer_pb
from panope.v1 import infer_service_pb2_grpc as infer_grpc
from panope.v1 import job_service_pb2 as job_pb
from panope.v1 import job_service_pb2_grpc as job_grpc
from panope.v1 import model_pb2
from panope.v1 import registry_service_pb2 as registry_pb
from panope.v1 import registry_service_pb2_grpc as registry_grpc
from panope.v1.stream_error_pb2 import StreamError
from panope_backends.errors import PanopeError
from panope_client import AsyncClient, Client
from panope_server.transport.errors import code_of, trailers_of

ROOT = Path(__file__).resolve().parents[2]
GRPCURL = "v1.9.3"
DIMENSIONS = 3

Context = grpc.aio.ServicerContext[Any, Any]


def vector_of(text: str) -> list[float]:
    """The fake model's vector of a text."""
    return [float(len(text)), float(sum(map(ord, text)) % 97), 0.5]


class HealthServicer(aio_health.HealthServicer):
    """gRPC's own, which tells when someone begins to watch."""

    def __init__(self) -> None:
        super().__init__()
        self.watched = asyncio.Semaphore(0)

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Context) -> None:
        self.watched.release()
        await super().Watch(request, context)


@dataclass
class Fake(
    embed_grpc.EmbedServiceServicer,
    infer_grpc.InferServiceServicer,
    job_grpc.JobServiceServicer,
    registry_grpc.RegistryServiceServicer,
):
    """A server of one model.

    Attributes:
        failures: what the next unary calls fail with, in order; then they succeed.
        requests: every unary request, in order.
        hold: while cleared, unary calls wait for it after `started` was released once for each.
        job_looks: after so many requests every job has failed.
        cancelled: set when a call was cancelled while it ran.
    """

    failures: list[PanopeError | tuple[grpc.StatusCode, str, tuple[tuple[str, str | bytes], ...]]] = field(
        default_factory=list
    )
    requests: list[Any] = field(default_factory=list)
    metadata: list[dict[str, str | bytes]] = field(default_factory=list)
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    started: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    health: HealthServicer = field(default_factory=HealthServicer)
    job_looks: int = 1_000

    def __post_init__(self) -> None:
        self.hold.set()

    async def _enter(self, request: Any, context: Context) -> None:
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata() or ()))
        self.started.release()
        try:
            await self.hold.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        if self.failures:
            failure = self.failures.pop(0)
            if isinstance(failure, PanopeError):
                await context.abort(code_of(failure), failure.message, trailers_of(failure))
            else:
                await context.abort(*failure)

    @staticmethod
    def _vectors(request: embed_pb.EmbedRequest) -> embed_pb.EmbedResponse:
        texts = list(request.texts) or [",".join(map(str, item.ids)) for item in request.token_sequences]
        vectors = np.array([vector_of(text) for text in texts], "<f4")
        return embed_pb.EmbedResponse(
            model=request.model,
            vectors=vectors.tobytes(),
            count=len(texts),
            dimensions=DIMENSIONS,
            token_counts=[len(text) + 2 for text in texts],
            truncated_indices=[place for place, text in enumerate(texts) if text.startswith("long")],
        )

    async def Embed(self, request: embed_pb.EmbedRequest, context: Context) -> embed_pb.EmbedResponse:
        await self._enter(request, context)
        return self._vectors(request)

    async def StreamEmbed(
        self, request_iterator: AsyncIterator[embed_pb.StreamEmbedRequest], context: Context
    ) -> AsyncIterator[embed_pb.StreamEmbedResponse]:
        """Texts ask for what a stream can do: `fail`, `break`, `stop`, `renumber`, `hang`."""
        async for item in request_iterator:
            self.requests.append(item)
            match list(item.request.texts):
                case ["fail"]:
                    error = StreamError(code=3, message="no", reason="invalid_input", field="texts[0]")
                    yield embed_pb.StreamEmbedResponse(id=item.id, error=error)
                case ["break"]:
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
                case ["stop"]:
                    return
                case ["renumber"]:
                    yield embed_pb.StreamEmbedResponse(id="other", response=self._vectors(item.request))
                case ["hang"]:
                    self.started.release()
                    try:
                        await asyncio.Event().wait()
                    finally:
                        self.cancelled.set()
                case _:
                    yield embed_pb.StreamEmbedResponse(id=item.id, response=self._vectors(item.request))

    async def Tokenize(self, request: embed_pb.TokenizeRequest, context: Context) -> embed_pb.TokenizeResponse:
        await self._enter(request, context)
        texts = [
            embed_pb.TokenizedText(
                ids=map(ord, text), tokens=text, starts=range(len(text)), ends=range(1, len(text) + 1)
            )
            for text in request.texts
        ]
        return embed_pb.TokenizeResponse(model=request.model, texts=texts)

    async def Detokenize(self, request: embed_pb.DetokenizeRequest, context: Context) -> embed_pb.DetokenizeResponse:
        await self._enter(request, context)
        texts = ["".join(map(chr, sequence.ids)) for sequence in request.token_sequences]
        return embed_pb.DetokenizeResponse(model=request.model, texts=texts)

    async def Infer(self, request: infer_pb.InferRequest, context: Context) -> infer_pb.InferResponse:
        """Gives back what came in."""
        await self._enter(request, context)
        value = request.value if request.HasField("value") else None
        return infer_pb.InferResponse(model=request.model, outputs=request.inputs, value=value)

    async def StreamInfer(
        self, request_iterator: AsyncIterator[infer_pb.StreamInferRequest], context: Context
    ) -> AsyncIterator[infer_pb.StreamInferResponse]:
        async for item in request_iterator:
            yield infer_pb.StreamInferResponse(id=item.id, response=infer_pb.InferResponse(value=struct_pb2.Value()))

    async def ListModels(
        self, request: registry_pb.ListModelsRequest, context: Context
    ) -> registry_pb.ListModelsResponse:
        """Five models, two on a page."""
        await self._enter(request, context)
        start = int(request.page_token or "0")
        models = [model_pb2.Model(name=f"vendor/m{number}", task=request.task) for number in range(5)]
        more = str(start + 2) if start + 2 < len(models) else ""
        return registry_pb.ListModelsResponse(models=models[start : start + 2], next_page_token=more)

    async def GetModel(self, request: registry_pb.GetModelRequest, context: Context) -> registry_pb.GetModelResponse:
        await self._enter(request, context)
        return registry_pb.GetModelResponse(model=model_pb2.Model(name=request.model, task="embed"))

    async def RegisterModel(
        self, request: registry_pb.RegisterModelRequest, context: Context
    ) -> registry_pb.RegisterModelResponse:
        await self._enter(request, context)
        return registry_pb.RegisterModelResponse(job=job_pb.Job(id=1, kind="repo_sync"))

    async def PullModel(self, request: registry_pb.PullModelRequest, context: Context) -> registry_pb.PullModelResponse:
        await self._enter(request, context)
        return registry_pb.PullModelResponse(job=job_pb.Job(id=2, kind="artifact_download"))

    async def BuildVariant(
        self, request: registry_pb.BuildVariantRequest, context: Context
    ) -> registry_pb.BuildVariantResponse:
        await self._enter(request, context)
        return registry_pb.BuildVariantResponse(job=job_pb.Job(id=3, kind="quantize"))

    async def PinModel(self, request: registry_pb.PinModelRequest, context: Context) -> registry_pb.PinModelResponse:
        await self._enter(request, context)
        variant = model_pb2.Variant(digest=request.variant, pin=model_pb2.Pin(reason=request.reason))
        return registry_pb.PinModelResponse(model=model_pb2.Model(name=request.model, variants=[variant]))

    async def UnpinModel(
        self, request: registry_pb.UnpinModelRequest, context: Context
    ) -> registry_pb.UnpinModelResponse:
        await self._enter(request, context)
        variant = model_pb2.Variant(digest=request.variant)
        return registry_pb.UnpinModelResponse(model=model_pb2.Model(name=request.model, variants=[variant]))

    async def DeleteModel(
        self, request: registry_pb.DeleteModelRequest, context: Context
    ) -> registry_pb.DeleteModelResponse:
        await self._enter(request, context)
        return registry_pb.DeleteModelResponse(freed_bytes=1 << 33)

    async def GetJob(self, request: job_pb.GetJobRequest, context: Context) -> job_pb.GetJobResponse:
        await self._enter(request, context)
        job = job_pb.Job(id=request.id, status=job_pb.Job.STATUS_RUNNING)
        if len(self.requests) >= self.job_looks:
            job.status = job_pb.Job.STATUS_FAILED
            job.finish_time.GetCurrentTime()
        return job_pb.GetJobResponse(job=job)

    async def CancelJob(self, request: job_pb.CancelJobRequest, context: Context) -> job_pb.CancelJobResponse:
        await self._enter(request, context)
        return job_pb.CancelJobResponse(job=job_pb.Job(id=request.id, status=job_pb.Job.STATUS_CANCELLED))

    async def RetryJob(self, request: job_pb.RetryJobRequest, context: Context) -> job_pb.RetryJobResponse:
        await self._enter(request, context)
        return job_pb.RetryJobResponse(job=job_pb.Job(id=request.id, status=job_pb.Job.STATUS_QUEUED))

    async def LoadModel(self, request: registry_pb.LoadModelRequest, context: Context) -> registry_pb.LoadModelResponse:
        await self._enter(request, context)
        instance = model_pb2.Instance(backend=request.backend, precision=request.precision)
        model = model_pb2.Model(name=request.model, state=model_pb2.Model.STATE_SERVING, instances=[instance])
        return registry_pb.LoadModelResponse(model=model)

    async def UnloadModel(
        self, request: registry_pb.UnloadModelRequest, context: Context
    ) -> registry_pb.UnloadModelResponse:
        await self._enter(request, context)
        model = model_pb2.Model(name=request.model, state=model_pb2.Model.STATE_UNLOADED)
        return registry_pb.UnloadModelResponse(model=model)

    async def ListDevices(
        self, request: registry_pb.ListDevicesRequest, context: Context
    ) -> registry_pb.ListDevicesResponse:
        await self._enter(request, context)
        devices = [registry_pb.Device(backend="openvino", name="CPU"), registry_pb.Device(backend="cpu", name="cpu")]
        return registry_pb.ListDevicesResponse(devices=devices)

    async def serve(self, address: str) -> grpc.aio.Server:
        """Starts the fake at an address."""
        server = grpc.aio.server()
        embed_grpc.add_EmbedServiceServicer_to_server(self, server)
        infer_grpc.add_InferServiceServicer_to_server(self, server)
        job_grpc.add_JobServiceServicer_to_server(self, server)
        registry_grpc.add_RegistryServiceServicer_to_server(self, server)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, server)
        server.add_insecure_port(address)
        await server.start()
        return server


class Threaded:
    """A `Client` with the face of an `AsyncClient`: each call runs in a thread."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        if name == "embed_stream":
            return lambda *args, **options: self._stream(call(*args, **options))

        async def run(*args: Any, **options: Any) -> Any:
            return await asyncio.to_thread(call, *args, **options)

        return run

    @staticmethod
    async def _stream(answers: Any) -> AsyncIterator[Any]:
        try:
            while (answer := await asyncio.to_thread(next, answers, None)) is not None:
                yield answer
        finally:
            await asyncio.to_thread(answers.close)


class FakeClock:
    """Time that passes only in sleeps, and the sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def async_sleep(self, seconds: float) -> None:
        self.sleep(seconds)


@pytest.fixture
async def fake() -> Fake:
    """The fake's behaviour and memory."""
    return Fake()


@pytest.fixture
def address(tmp_path: Path) -> str:
    """Where the fake listens."""
    return f"unix:{tmp_path}/grpc"


@pytest.fixture
async def server(fake: Fake, address: str) -> AsyncIterator[grpc.aio.Server]:
    """The fake, listening."""
    server = await fake.serve(address)
    yield server
    await server.stop(None)


@pytest.fixture(params=[Client, AsyncClient], ids=["threads", "asyncio"])
async def connect(request: pytest.FixtureRequest, address: str) -> AsyncIterator[Callable[..., Any]]:
    """Makes clients of one kind with the arguments of the constructor; each test runs with both kinds."""
    made: list[Any] = []

    def make(*, clock: FakeClock | None = None, uniform: float = 0.5, **options: Any) -> Any:
        client = request.param(address, **options)
        made.append(client)
        if clock is not None:
            client._retries.clock = clock
            client._retries.uniform = lambda: uniform
            client._sleep = clock.async_sleep if isinstance(client, AsyncClient) else clock.sleep
        return client if isinstance(client, AsyncClient) else Threaded(client)

    yield make
    for client in made:
        closing = client.close()
        if inspect.isawaitable(closing):
            await closing


@pytest.fixture
async def client(connect: Callable[..., Any], server: grpc.aio.Server) -> Any:
    """A client of the fake, with its defaults."""
    return connect()


@pytest.fixture
def clock() -> FakeClock:
    """Time that passes only in sleeps."""
    return FakeClock()


@dataclass(frozen=True)
class Go:
    """The Go toolchain, run in the Go client's folder."""

    program: str
    folder: Path

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs `go`, without the Panope variables of this environment but with those given."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PANOPE_")}
        return subprocess.run(
            [self.program, *arguments],
            cwd=self.folder,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="session")
def go() -> Go:
    """The Go toolchain; without it the test is skipped, or fails where PANOPE_TEST_REQUIRE_GO=1 demands it."""
    program = shutil.which("go")
    if program is None:
        if os.environ.get("PANOPE_TEST_REQUIRE_GO") == "1":
            pytest.fail("PANOPE_TEST_REQUIRE_GO=1, but this machine has no Go toolchain")
        pytest.skip("needs the Go toolchain: no `go` on PATH")
    return Go(program, ROOT / "clients/go")


@pytest.fixture(scope="session")
def grpcurl(go: Go) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the real grpcurl, built once and kept in `.cache`."""
    folder = ROOT / ".cache/go-bin" / f"grpcurl-{GRPCURL}"
    if not (folder / "grpcurl").exists():
        built = go.run("install", f"github.com/fullstorydev/grpcurl/cmd/grpcurl@{GRPCURL}", GOBIN=str(folder))
        assert built.returncode == 0, built.stderr

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [folder / "grpcurl", "-plaintext", *arguments], capture_output=True, text=True, check=False, timeout=60
        )

    return run
