"""RegistryService: translates and delegates."""

from __future__ import annotations

import base64
import binascii

from panope.v1 import registry_service_pb2 as pb
from panope.v1 import registry_service_pb2_grpc as pb_grpc
from panope_backends.errors import InvalidInputError
from panope_server.transport.context import Context
from panope_server.transport.messages import device_message, model_message
from panope_server.transport.ports import Models

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000


class RegistryServicer(pb_grpc.RegistryServiceServicer):
    """Serves panope.v1.RegistryService."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        """Lists models by name."""
        size = request.page_size or DEFAULT_PAGE_SIZE
        if size > MAX_PAGE_SIZE:
            raise InvalidInputError(f"`page_size` is {size:,}; the limit is {MAX_PAGE_SIZE:,}", field="page_size")
        after = _after(request.page_token)
        views = await self._models.list(task=request.task, after=after, limit=size + 1)
        page = views[:size]
        token = _token(page[-1].name) if len(views) > size else ""
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

    async def ListDevices(self, request: pb.ListDevicesRequest, context: Context) -> pb.ListDevicesResponse:
        """Lists the devices."""
        return pb.ListDevicesResponse(devices=[device_message(device) for device in await self._models.devices()])


def _named(model: str) -> str:
    if not model:
        raise InvalidInputError("`model` is empty", field="model")
    return model


def _token(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _after(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise InvalidInputError("`page_token` is not one that this server gave", field="page_token") from None
