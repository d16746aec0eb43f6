"""What the client asks of models, their variants and jobs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import grpc

from panope.v1 import job_service_pb2 as job_pb
from panope.v1 import registry_service_pb2 as registry_pb
from panope.v1.job_service_pb2 import Job
from panope.v1.job_service_pb2_grpc import JobServiceStub
from panope.v1.model_pb2 import Model
from panope.v1.registry_service_pb2 import Device
from panope.v1.registry_service_pb2_grpc import RegistryServiceStub
from panope_client.errors import not_ended
from panope_client.retry import Retries

Request = TypeVar("Request")
Answer = TypeVar("Answer")

#: Loading may convert a model first.
LOAD_TIMEOUT = 600.0

#: Seconds between two looks at a job; workers tell how far it is once a second.
JOB_PAUSE = 0.5


class RegistryCalls:
    """The calls of `Client` on models, their variants and jobs."""

    _registry: RegistryServiceStub
    _jobs: JobServiceStub
    _retries: Retries
    _sleep: Callable[[float], None]

    def _call(
        self, method: grpc.UnaryUnaryMultiCallable[Request, Answer], request: Request, timeout: float | None
    ) -> Answer:
        raise NotImplementedError

    def models(
        self,
        *,
        task: str = "",
        format: str = "",  # noqa: A002 - the API's word
        prefix: str = "",
        loaded: bool | None = None,
        timeout: float | None = None,
    ) -> list[Model]:
        """Lists models by name, all of them unless told which.

        Args:
            task: that they have.
            format: of one of their variants at least, such as `gguf`.
            prefix: that their names begin with, such as `acme/`.
            loaded: whether they serve on the server.
            timeout: see the class.
        """
        request = registry_pb.ListModelsRequest(task=task, format=format, name_prefix=prefix, loaded=loaded)
        found: list[Model] = []
        while True:
            page = self._call(self._registry.ListModels, request, timeout)
            found += page.models
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    def model(self, name: str, *, timeout: float | None = None) -> Model:
        """Tells everything about one model."""
        return self._call(self._registry.GetModel, registry_pb.GetModelRequest(model=name), timeout).model

    def load(
        self,
        model: str,
        *,
        backend: str = "",
        precision: str = "",
        variant: str = "",
        timeout: float | None = LOAD_TIMEOUT,
    ) -> Model:
        """Loads a model and returns when it serves; what is loaded already stays as it is.

        Args:
            model: `vendor/name`.
            backend: such as `openvino`; empty lets the server choose.
            precision: such as `bf16`; empty lets the server choose.
            variant: the first digits of a variant's digest, at least 8; empty lets the server choose.
            timeout: see the class; the default gives a conversion time.
        """
        request = registry_pb.LoadModelRequest(model=model, backend=backend, precision=precision, variant=variant)
        return self._call(self._registry.LoadModel, request, timeout).model

    def unload(self, model: str, *, timeout: float | None = None) -> Model:
        """Ends a model's instances after their running work and returns when their memory is free."""
        return self._call(self._registry.UnloadModel, registry_pb.UnloadModelRequest(model=model), timeout).model

    def register(
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
        """Registers a model of a hub without its weights; returns the job that does it.

        Args:
            model: `vendor/name`, as the hub knows it.
            revision: a branch, tag or commit; empty for `main`.
            task_hints: what it is for, where its files do not tell.
            preferred_format: such as `gguf`; empty lets the server choose.
            preferred_precision: such as `q4_k_m`; empty lets the server choose.
            quantization_targets: precisions to quantize to once the weights are here, such as `int8`.
            timeout: see the class.
        """
        request = registry_pb.RegisterModelRequest(
            model=model,
            revision=revision,
            task_hints=task_hints,
            preferred_format=preferred_format,
            preferred_precision=preferred_precision,
            quantization_targets=quantization_targets,
        )
        return self._call(self._registry.RegisterModel, request, timeout).job

    def pull(
        self,
        model: str,
        *,
        revision: str = "",
        format: str = "",  # noqa: A002 - the API's word
        precision: str = "",
        include: Sequence[str] = (),
        timeout: float | None = None,
    ) -> Job:
        """Registers a model of a hub and downloads one of its variants; returns the job that does it.

        Args:
            model: `vendor/name`, as the hub knows it.
            revision: a branch, tag or commit; empty for `main`.
            format: of the variant; empty lets the server choose.
            precision: of the variant; empty lets the server choose.
            include: patterns of files to download instead of a variant's.
            timeout: see the class.
        """
        request = registry_pb.PullModelRequest(
            model=model, revision=revision, format=format, precision=precision, include=include
        )
        return self._call(self._registry.PullModel, request, timeout).job

    def build(
        self,
        model: str,
        format: str,  # noqa: A002 - the API's word
        *,
        precision: str = "",
        timeout: float | None = None,
    ) -> Job:
        """Makes another variant of a model; returns the job that does it.

        Args:
            model: `vendor/name`.
            format: of the new variant, such as `openvino`.
            precision: of its weights, such as `int8`; empty keeps them as they are.
            timeout: see the class.
        """
        request = registry_pb.BuildVariantRequest(model=model, format=format, precision=precision)
        return self._call(self._registry.BuildVariant, request, timeout).job

    def pin(self, model: str, *, variant: str = "", reason: str = "", timeout: float | None = None) -> Model:
        """Keeps the files of one variant, or of all that the model has, until they are unpinned."""
        request = registry_pb.PinModelRequest(model=model, variant=variant, reason=reason)
        return self._call(self._registry.PinModel, request, timeout).model

    def unpin(self, model: str, *, variant: str = "", timeout: float | None = None) -> Model:
        """Lets the files of one variant, or of all, go again when room is needed."""
        request = registry_pb.UnpinModelRequest(model=model, variant=variant)
        return self._call(self._registry.UnpinModel, request, timeout).model

    def delete(self, model: str, *, timeout: float | None = None) -> int:
        """Deletes a model and the files that nothing else needs; returns the bytes that are free again.

        Raises:
            PreconditionError: it is loaded or pinned, a job works on it, or an alias points to it.
        """
        request = registry_pb.DeleteModelRequest(model=model)
        return self._call(self._registry.DeleteModel, request, timeout).freed_bytes

    def job(self, job_id: int, *, timeout: float | None = None) -> Job:
        """Tells how far a job is."""
        return self._call(self._jobs.GetJob, job_pb.GetJobRequest(id=job_id), timeout).job

    def wait_job(self, job_id: int, timeout: float = math.inf) -> Job:
        """Returns a job as soon as it has ended, well or badly: its `status` and `error` tell.

        Raises:
            DeadlineError: it does not end within `timeout` seconds; it goes on.
        """
        clock = self._retries.clock
        end = clock() + timeout
        while not (job := self.job(job_id)).HasField("finish_time"):
            if clock() >= end:
                raise not_ended(job_id, timeout)
            self._sleep(min(JOB_PAUSE, end - clock()))
        return job

    def cancel_job(self, job_id: int, *, timeout: float | None = None) -> Job:
        """Asks a job to end; what it has downloaded is kept."""
        return self._call(self._jobs.CancelJob, job_pb.CancelJobRequest(id=job_id), timeout).job

    def retry_job(self, job_id: int, *, timeout: float | None = None) -> Job:
        """Queues a failed or cancelled job again."""
        return self._call(self._jobs.RetryJob, job_pb.RetryJobRequest(id=job_id), timeout).job

    def devices(self, *, timeout: float | None = None) -> list[Device]:
        """Lists the devices that the server's backends can use, the preferred first."""
        return list(self._call(self._registry.ListDevices, registry_pb.ListDevicesRequest(), timeout).devices)
