"""RegistryService: translates and delegates."""

from __future__ import annotations

from panope.v1 import registry_service_pb2 as pb
from panope.v1 import registry_service_pb2_grpc as pb_grpc
from panope_backends.errors import InvalidInputError
from panope_registry.handlers.requests import DownloadRequest, SyncRequest
from panope_server.transport.context import Context
from panope_server.transport.job_messages import job_message
from panope_server.transport.messages import device_message, model_message
from panope_server.transport.paging import after_of, page_of, page_size_of
from panope_server.transport.ports import Acquisition, Models

GRPC = "grpc"
"""Who asked for a job, as far as is known."""

MAIN = "main"


class RegistryServicer(pb_grpc.RegistryServiceServicer):
    """Serves panope.v1.RegistryService."""

    def __init__(self, models: Models, acquisition: Acquisition) -> None:
        self._models = models
        self._acquisition = acquisition

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        """Lists models by name."""
        size = page_size_of(request.page_size)
        after = after_of(request.page_token)
        views = await self._models.list(task=request.task, after=after, limit=size + 1)
        page, token = page_of(views, size, lambda view: view.name)
        return pb.ListModelsResponse(models=[model_message(view) for view in page], next_page_token=token)

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.GetModelResponse:
        """Tells about one model."""
        return pb.GetModelResponse(model=model_message(await self._models.get(_named(request.model))))

    async def LoadModel(self, request: pb.LoadModelRequest, context: Context) -> pb.LoadModelResponse:
        """Loads a model."""
        view = await self._models.load(_named(request.model), request.backend, request.precision)
        return pb.LoadModelResponse(model=model_message(view))

    async def UnloadModel(self, request: pb.UnloadModelRequest, context: Context) -> pb.UnloadModelResponse:
        """Unloads a model."""
        return pb.UnloadModelResponse(model=model_message(await self._models.unload(_named(request.model))))

    async def RegisterModel(self, request: pb.RegisterModelRequest, context: Context) -> pb.RegisterModelResponse:
        """Asks for a look at a model's repo."""
        wish = SyncRequest(
            _named(request.model), request.revision or MAIN, tuple(request.task_hints), request.preferred_format
        )
        return pb.RegisterModelResponse(job=job_message(await self._acquisition.register(wish, GRPC)))

    async def PullModel(self, request: pb.PullModelRequest, context: Context) -> pb.PullModelResponse:
        """Asks for a model's files."""
        wish = DownloadRequest(
            model=_named(request.model),
            revision=request.revision or MAIN,
            format=request.format,
            precision=request.precision,
            include=tuple(request.include),
        )
        return pb.PullModelResponse(job=job_message(await self._acquisition.pull(wish, GRPC)))

    async def ListModelFiles(self, request: pb.ListModelFilesRequest, context: Context) -> pb.ListModelFilesResponse:
        """Lists a model's files."""
        found = await self._acquisition.files(_named(request.model))
        files = [
            pb.ModelFile(path=f.path, size_bytes=f.size_bytes, sha256=f.sha256, kind=f.kind, is_here=f.is_here)
            for f in found
        ]
        return pb.ListModelFilesResponse(files=files)

    async def ListDevices(self, request: pb.ListDevicesRequest, context: Context) -> pb.ListDevicesResponse:
        """Lists the devices."""
        return pb.ListDevicesResponse(devices=[device_message(device) for device in await self._models.devices()])


def _named(model: str) -> str:
    if not model:
        raise InvalidInputError("`model` is empty", field="model")
    return model
