"""What `panope_client.registry_calls` has, for asyncio."""

# ruff: noqa: ASYNC109 -- `timeout` is the call's deadline, as in `panope_client.aio`

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import grpc.aio

from panope.v1 import job_service_pb2 as job_pb
from panope.v1 import registry_service_pb2 as registry_pb
from panope.v1.job_service_pb2 import Job
from panope.v1.model_pb2 import Model
from panope.v1.registry_service_pb2 import Device
from panope_client.errors import not_ended
from panope_client.registry_calls import JOB_PAUSE, LOAD_TIMEOUT
from panope_client.retry import Retries

if TYPE_CHECKING:  # the stubs' types for asyncio, which the program knows by no name of their own
    from panope.v1.job_service_pb2_grpc import JobServiceAsyncStub
    from panope.v1.registry_service_pb2_grpc import RegistryServiceAsyncStub

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class AsyncRegistryCalls:
    """The calls of `AsyncClient` on models, their variants and jobs."""

    _registry: RegistryServiceAsyncStub
    _jobs: JobServiceAsyncStub
    _retries: Retries
    _sleep: Callable[[float], Awaitable[None]]

    async def _call(
        self, method: grpc.aio.UnaryUnaryMultiCallable[Request, Answer], request: Request, timeout: float | None
    ) -> Answer:
        raise NotImplementedError

    async def models(
        self,
        *,
        task: str = "",
        format: str = "",  # noqa: A002 - the API's word
        prefix: str = "",
        loaded: bool | None = None,
        timeout: float | None = None,
    ) -> list[Model]:
        """As `Client.models`."""
        request = registry_pb.ListModelsRequest(task=task, format=format, name_prefix=prefix, loaded=loaded)
        found: list[Model] = []
        while True:
            page = await self._call(self._registry.ListModels, request, timeout)
            found += page.models
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    async def model(self, name: str, *, timeout: float | None = None) -> Model:
        """As `Client.model`."""
        answer = await self._call(self._registry.GetModel, registry_pb.GetModelRequest(model=name), timeout)
        return answer.model

    async def load(
        self,
        model: str,
        *,
        backend: str = "",
        precision: str = "",
        variant: str = "",
        timeout: float | None = LOAD_TIMEOUT,
    ) -> Model:
        """As `Client.load`."""
        request = registry_pb.LoadModelRequest(model=model, backend=backend, precision=precision, variant=variant)
        answer = await self._call(self._registry.LoadModel, request, timeout)
        return answer.model

    async def unload(self, model: str, *, timeout: float | None = None) -> Model:
        """As `Client.unload`."""
        answer = await self._call(self._registry.UnloadModel, registry_pb.UnloadModelRequest(model=model), timeout)
        return answer.model

    async def register(
        self,
        model: str,
        *,
        revision: str = "",
        task_hints: Sequence[str] = (),
        preferred_format: str = "",
        preferred_precision: str = "",
        quantization_targets: Sequence[str] = (),
        timeout: float | None = None,
    ) -> Job:
        """As `Client.register`."""
        request = registry_pb.RegisterModelRequest(
            model=model,
            revision=revision,
            task_hints=task_hints,
            preferred_format=preferred_format,
            preferred_precision=preferred_precision,
            quantization_targets=quantization_targets,
        )
        return (await self._call(self._registry.RegisterModel, request, timeout)).job

    async def pull(
        self,
        model: str,
        *,
        revision: str = "",
        format: str = "",  # noqa: A002 - the API's word
        precision: str = "",
        include: Sequence[str] = (),
        timeout: float | None = None,
    ) -> Job:
        """As `Client.pull`."""
        request = registry_pb.PullModelRequest(
            model=model, revision=revision, format=format, precision=precision, include=include
        )
        return (await self._call(self._registry.PullModel, request, timeout)).job

    async def build(
        self,
        model: str,
        format: str,  # noqa: A002 - the API's word
        *,
        precision: str = "",
        timeout: float | None = None,
    ) -> Job:
        """As `Client.build`."""
        request = registry_pb.BuildVariantRequest(model=model, format=format, precision=precision)
        return (await self._call(self._registry.BuildVariant, request, timeout)).job

    async def pin(self, model: str, *, variant: str = "", reason: str = "", timeout: float | None = None) -> Model:
        """As `Client.pin`."""
        request = registry_pb.PinModelRequest(model=model, variant=variant, reason=reason)
        return (await self._call(self._registry.PinModel, request, timeout)).model

    async def unpin(self, model: str, *, variant: str = "", timeout: float | None = None) -> Model:
        """As `Client.unpin`."""
        request = registry_pb.UnpinModelRequest(model=model, variant=variant)
        return (await self._call(self._registry.UnpinModel, request, timeout)).model

    async def delete(self, model: str, *, timeout: float | None = None) -> int:
        """As `Client.delete`."""
        request = registry_pb.DeleteModelRequest(model=model)
        return (await self._call(self._registry.DeleteModel, request, timeout)).freed_bytes

    async def job(self, job_id: int, *, timeout: float | None = None) -> Job:
        """As `Client.job`."""
        return (await self._call(self._jobs.GetJob, job_pb.GetJobRequest(id=job_id), timeout)).job

    async def wait_job(self, job_id: int, timeout: float = math.inf) -> Job:
        """As `Client.wait_job`."""
        clock = self._retries.clock
        end = clock() + timeout
        while not (job := await self.job(job_id)).HasField("finish_time"):
            if clock() >= end:
                raise not_ended(job_id, timeout)
            await self._sleep(min(JOB_PAUSE, end - clock()))
        return job

    async def cancel_job(self, job_id: int, *, timeout: float | None = None) -> Job:
        """As `Client.cancel_job`."""
        return (await self._call(self._jobs.CancelJob, job_pb.CancelJobRequest(id=job_id), timeout)).job

    async def retry_job(self, job_id: int, *, timeout: float | None = None) -> Job:
        """As `Client.retry_job`."""
        return (await self._call(self._jobs.RetryJob, job_pb.RetryJobRequest(id=job_id), timeout)).job

    async def devices(self, *, timeout: float | None = None) -> list[Device]:
        """As `Client.devices`."""
        answer = await self._call(self._registry.ListDevices, registry_pb.ListDevicesRequest(), timeout)
        return list(answer.devices)
