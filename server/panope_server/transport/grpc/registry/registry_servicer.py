"""RegistryService: translates and delegates."""

from __future__ import annotations

import asyncio

import grpc

from panope.v1 import registry_service_pb2 as pb
from panope.v1 import registry_service_pb2_grpc as pb_grpc
from panope_backends.errors import InvalidInputError
from panope_registry.catalogue import read_part
from panope_registry.job_handlers.requests import BuildRequest, DownloadRequest, SyncRequest
from panope_registry.models.types import ModelFilter
from panope_server.access.principal import recorded_name
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.transport.grpc.fields import named_model
from panope_server.transport.grpc.registry.catalogue_messages import catalogue_message
from panope_server.transport.grpc.registry.job_messages import job_message
from panope_server.transport.grpc.registry.model_messages import device_message, model_message
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Acquisition, ModelAdmin, Models
from panope_server.transport.keep_alive import keep_alive_from, recorded_keep_alive
from panope_server.transport.paging import after_of, page_of, page_size_of
from panope_server.transport.services import Services

INTERFACE = "grpc"
"""Recorded as who asked when the caller is anonymous."""

MAIN = "main"


class RegistryServicer(pb_grpc.RegistryServiceServicer):
    """Serves panope.v1.RegistryService."""

    def __init__(self, models: Models, acquisition: Acquisition, model_admin: ModelAdmin) -> None:
        self._models = models
        self._acquisition = acquisition
        self._model_admin = model_admin

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        servicer = cls(services.models, services.acquisition, services.model_admin)
        pb_grpc.add_RegistryServiceServicer_to_server(servicer, server)

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        """Lists models by name."""
        size = page_size_of(request.page_size)
        after = after_of(request.page_token)
        only = ModelFilter(task=request.task, format=request.format, prefix=request.name_prefix)
        loaded = request.loaded if request.HasField("loaded") else None
        views = await self._models.list(only, loaded=loaded, after=after, limit=size + 1)
        page, token = page_of(views, size, lambda view: view.name)
        return pb.ListModelsResponse(models=[model_message(view) for view in page], next_page_token=token)

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.GetModelResponse:
        """Tells about one model."""
        return pb.GetModelResponse(model=model_message(await self._models.get(named_model(request.model))))

    async def LoadModel(self, request: pb.LoadModelRequest, context: Context) -> pb.LoadModelResponse:
        """Loads a model."""
        constraints = LoadConstraints(
            request.backend,
            request.precision,
            request.variant,
            request.instances,
            tuple(request.preferred_backends),
            request.tensor_parallel,
        )
        keep_alive = keep_alive_from(request.keep_alive, "keep_alive")
        view = await self._models.load(named_model(request.model), constraints, keep_alive)
        return pb.LoadModelResponse(model=model_message(view))

    async def UnloadModel(self, request: pb.UnloadModelRequest, context: Context) -> pb.UnloadModelResponse:
        """Unloads a model."""
        return pb.UnloadModelResponse(model=model_message(await self._models.unload(named_model(request.model))))

    async def RegisterModel(self, request: pb.RegisterModelRequest, context: Context) -> pb.RegisterModelResponse:
        """Asks for a look at a model's repo."""
        sync = SyncRequest(
            model=named_model(request.model),
            revision=request.revision or MAIN,
            task_hints=tuple(request.task_hints),
            preferred_format=request.preferred_format,
            preferred_precision=request.preferred_precision,
            quantization_targets=tuple(request.quantization_targets),
            upstream=_upstream(request.upstream) if request.HasField("upstream") else {},
            base_model=request.base_model,
            keep_alive_seconds=recorded_keep_alive(request.keep_alive, "keep_alive"),
        )
        return pb.RegisterModelResponse(
            job=job_message(await self._acquisition.register(sync, recorded_name(INTERFACE)))
        )

    async def UpdateModel(self, request: pb.UpdateModelRequest, context: Context) -> pb.UpdateModelResponse:
        """Changes what a model's record says."""
        if not request.HasField("keep_alive"):
            raise InvalidInputError("`keep_alive` is missing", field="keep_alive", reason="missing_field")
        keep_alive = keep_alive_from(request.keep_alive, "keep_alive")
        view = await self._model_admin.update(named_model(request.model), keep_alive=keep_alive)
        return pb.UpdateModelResponse(model=model_message(view))

    async def PullModel(self, request: pb.PullModelRequest, context: Context) -> pb.PullModelResponse:
        """Asks for a model's files."""
        download = DownloadRequest(
            model=named_model(request.model),
            revision=request.revision or MAIN,
            format=request.format,
            precision=request.precision,
            include=tuple(request.include),
        )
        return pb.PullModelResponse(job=job_message(await self._acquisition.pull(download, recorded_name(INTERFACE))))

    async def BuildVariant(self, request: pb.BuildVariantRequest, context: Context) -> pb.BuildVariantResponse:
        """Asks for another variant of a model."""
        build = BuildRequest(named_model(request.model), request.format, request.precision, request.revision)
        return pb.BuildVariantResponse(job=job_message(await self._acquisition.build(build, recorded_name(INTERFACE))))

    async def PinModel(self, request: pb.PinModelRequest, context: Context) -> pb.PinModelResponse:
        """Keeps a model's files."""
        view = await self._model_admin.pin(
            named_model(request.model), request.variant, principal=recorded_name(INTERFACE), reason=request.reason
        )
        return pb.PinModelResponse(model=model_message(view))

    async def UnpinModel(self, request: pb.UnpinModelRequest, context: Context) -> pb.UnpinModelResponse:
        """Lets a model's files go again."""
        view = await self._model_admin.unpin(named_model(request.model), request.variant)
        return pb.UnpinModelResponse(model=model_message(view))

    async def DeleteModel(self, request: pb.DeleteModelRequest, context: Context) -> pb.DeleteModelResponse:
        """Deletes a model."""
        removed = await self._model_admin.delete(named_model(request.model))
        return pb.DeleteModelResponse(variant_digests=removed.variants, freed_bytes=removed.freed_bytes)

    async def ListModelFiles(self, request: pb.ListModelFilesRequest, context: Context) -> pb.ListModelFilesResponse:
        """Lists a model's files."""
        found = await self._acquisition.files(named_model(request.model))
        files = [
            pb.ModelFile(path=f.path, size_bytes=f.size_bytes, sha256=f.sha256, kind=f.kind, is_local=f.is_local)
            for f in found
        ]
        return pb.ListModelFilesResponse(files=files)

    async def ListDevices(self, request: pb.ListDevicesRequest, context: Context) -> pb.ListDevicesResponse:
        """Lists the devices."""
        return pb.ListDevicesResponse(
            devices=[
                device_message(device, self._models.device_usage(device)) for device in await self._models.devices()
            ]
        )

    async def GetCatalogue(self, request: pb.GetCatalogueRequest, context: Context) -> pb.GetCatalogueResponse:
        """Tells which architectures are recognised, load and serve."""
        return catalogue_message(await asyncio.to_thread(read_part, task=request.task, backend=request.backend))


def _upstream(message: pb.Upstream) -> dict[str, str]:
    return {"url": message.url, "protocol": message.protocol, "model": message.model}
