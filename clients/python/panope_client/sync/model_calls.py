# Generated from panope_client/aio/model_calls.py by clients/python/generate.py; do not edit.
"""Calls on models, their variants and the server's devices."""

from __future__ import annotations

from collections.abc import Sequence

from panope.v1 import registry_service_pb2 as registry_pb
from panope.v1.job_service_pb2 import Job
from panope.v1.model_pb2 import Model
from panope.v1.registry_service_pb2 import Device, GetCatalogueResponse, Upstream
from panope_client.arguments import request_of
from panope_client.sync.connection import Connection

#: Loading may convert a model first.
LOAD_TIMEOUT_SECONDS = 600.0


class ModelCalls(Connection):
    """The calls of `Client` on models."""

    def models(
        self,
        *,
        task: str = "",
        format: str = "",  # noqa: A002 - the API's word
        name_prefix: str = "",
        loaded: bool | None = None,
        timeout: float | None = None,
    ) -> list[Model]:
        """Lists models by name: all, or those that every argument matches.

        Args:
            task: that they have.
            format: of one of their variants at least, such as `gguf`.
            name_prefix: that their names begin with, such as `acme/`.
            loaded: whether they serve on the server.
            timeout: see the class.
        """
        request = request_of(
            registry_pb.ListModelsRequest, task=task, format=format, name_prefix=name_prefix, loaded=loaded
        )
        models: list[Model] = []
        while True:
            page = self._call(self._registry.ListModels, request, timeout)
            models += page.models
            if not page.next_page_token:
                return models
            request.page_token = page.next_page_token

    def model(self, model: str, *, timeout: float | None = None) -> Model:
        """Returns one model with its variants and instances."""
        request = request_of(registry_pb.GetModelRequest, model=model)
        response = self._call(self._registry.GetModel, request, timeout)
        return response.model

    def load(
        self,
        model: str,
        *,
        backend: str = "",
        preferred_backends: Sequence[str] = (),
        precision: str = "",
        variant: str = "",
        instances: int = 0,
        tensor_parallel: int = 0,
        keep_alive: str | float = "",
        timeout: float | None = LOAD_TIMEOUT_SECONDS,
    ) -> Model:
        """Loads a model and returns when it serves; what is loaded already so stays as it is.

        Args:
            model: `vendor/name`.
            backend: such as `openvino`; empty lets the server choose.
            preferred_backends: that should run it rather than others, the most wanted first; not with `backend`.
            precision: such as `bf16`; empty lets the server choose.
            variant: the first digits of a variant's digest, at least 8; empty lets the server choose.
            instances: that are to run; 0 for as many as the server's settings say.
            tensor_parallel: devices that each of them is divided over, 1 for a whole model; 0 for as many as the
                server's settings say, or else as hold it.
            keep_alive: how long the model stays loaded when nobody uses it, in seconds or such as `5m`; negative for
                ever, 0 until its next call has ended, empty for as long as before.
            timeout: see the class; the default gives a conversion time.
        """
        request = request_of(
            registry_pb.LoadModelRequest,
            model=model,
            backend=backend,
            preferred_backends=preferred_backends,
            precision=precision,
            variant=variant,
            instances=instances,
            tensor_parallel=tensor_parallel,
            keep_alive=str(keep_alive),
        )
        response = self._call(self._registry.LoadModel, request, timeout)
        return response.model

    def unload(self, model: str, *, timeout: float | None = None) -> Model:
        """Ends a model's instances after their running work and returns when their memory is free."""
        request = request_of(registry_pb.UnloadModelRequest, model=model)
        response = self._call(self._registry.UnloadModel, request, timeout)
        return response.model

    def register(
        self,
        model: str,
        *,
        revision: str = "",
        task_hints: Sequence[str] = (),
        preferred_format: str = "",
        preferred_precision: str = "",
        quantization_targets: Sequence[str] = (),
        base_model: str = "",
        upstream: Upstream | None = None,
        keep_alive: str | float = "",
        timeout: float | None = None,
    ) -> Job:
        """Registers a model of a hub without its weights, or one that a server elsewhere runs.

        Returns the job that does it.

        Args:
            model: `vendor/name`, as the hub knows it.
            revision: a branch, tag or commit; empty for `main`.
            task_hints: what it is for, where its files do not say.
            preferred_format: such as `gguf`; empty lets the server choose.
            preferred_precision: such as `q4_k_m`; empty lets the server choose.
            quantization_targets: precisions to quantize to once the weights are here, such as `int8`.
            base_model: of an adapter, the model that it changes, by its name on the server; empty for the one that its
                files name.
            upstream: the server elsewhere that runs the model, such as `Upstream(url="https://HOST/v1",
                protocol="openai", model="gpt-4.1-mini")`; then only `task_hints` and `keep_alive` may stand
                beside it.
            keep_alive: how long it stays loaded when nobody uses it, as of `update`; empty leaves what was said before.
            timeout: see the class.
        """
        request = request_of(
            registry_pb.RegisterModelRequest,
            model=model,
            revision=revision,
            task_hints=task_hints,
            preferred_format=preferred_format,
            preferred_precision=preferred_precision,
            quantization_targets=quantization_targets,
            base_model=base_model,
            upstream=upstream,
            keep_alive=str(keep_alive),
        )
        response = self._call(self._registry.RegisterModel, request, timeout)
        return response.job

    def update(self, model: str, *, keep_alive: str | float, timeout: float | None = None) -> Model:
        """Changes what a model's record says of how it is kept.

        Args:
            model: `vendor/name`.
            keep_alive: how long it stays loaded when nobody uses it, unless a load or a call says otherwise, in seconds
                or such as `5m`; negative for ever, 0 until a call has ended, empty as the server's settings say.
            timeout: see the class.
        """
        request = request_of(registry_pb.UpdateModelRequest, model=model, keep_alive=str(keep_alive))
        response = self._call(self._registry.UpdateModel, request, timeout)
        return response.model

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
        request = request_of(
            registry_pb.PullModelRequest,
            model=model,
            revision=revision,
            format=format,
            precision=precision,
            include=include,
        )
        response = self._call(self._registry.PullModel, request, timeout)
        return response.job

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
        request = request_of(registry_pb.BuildVariantRequest, model=model, format=format, precision=precision)
        response = self._call(self._registry.BuildVariant, request, timeout)
        return response.job

    def pin(self, model: str, *, variant: str = "", reason: str = "", timeout: float | None = None) -> Model:
        """Keeps the files of one variant, or of all that the model has, from eviction until they are unpinned."""
        request = request_of(registry_pb.PinModelRequest, model=model, variant=variant, reason=reason)
        response = self._call(self._registry.PinModel, request, timeout)
        return response.model

    def unpin(self, model: str, *, variant: str = "", timeout: float | None = None) -> Model:
        """Allows the files of one variant, or of all, to be evicted again."""
        request = request_of(registry_pb.UnpinModelRequest, model=model, variant=variant)
        response = self._call(self._registry.UnpinModel, request, timeout)
        return response.model

    def delete(self, model: str, *, timeout: float | None = None) -> int:
        """Deletes a model and the files that nothing else needs; returns the bytes that are free again.

        Raises:
            PreconditionError: it is loaded or pinned, a job works on it, or an alias points to it.
        """
        request = request_of(registry_pb.DeleteModelRequest, model=model)
        response = self._call(self._registry.DeleteModel, request, timeout)
        return response.freed_bytes

    def devices(self, *, timeout: float | None = None) -> list[Device]:
        """Lists the devices that the server's backends can use, the preferred first."""
        response = self._call(self._registry.ListDevices, registry_pb.ListDevicesRequest(), timeout)
        return list(response.devices)

    def catalogue(self, *, task: str = "", backend: str = "", timeout: float | None = None) -> GetCatalogueResponse:
        """Tells which architectures the server's version recognises, loads and serves.

        Args:
            task: that they have; empty for all.
            backend: that supports them, in part at least; empty for all.
            timeout: see the class.
        """
        request = request_of(registry_pb.GetCatalogueRequest, task=task, backend=backend)
        return self._call(self._registry.GetCatalogue, request, timeout)
