"""A registry of five models."""

# ruff: noqa: N802 -- gRPC names the methods

from __future__ import annotations

from client_doubles.calls import Calls, Context
from panope.v1 import job_service_pb2 as job_pb
from panope.v1 import model_pb2
from panope.v1 import registry_service_pb2 as registry_pb
from panope.v1 import registry_service_pb2_grpc as registry_grpc
from panope.v1.catalogue_pb2 import CatalogueEntry


class RegistryServicer(Calls, registry_grpc.RegistryServiceServicer):
    """Any name is a model; changes are seen in the response alone."""

    async def ListModels(
        self, request: registry_pb.ListModelsRequest, context: Context
    ) -> registry_pb.ListModelsResponse:
        """Five models, two on a page."""
        await self.enter(request, context)
        start = int(request.page_token or "0")
        models = [model_pb2.Model(name=f"vendor/m{number}", task=request.task) for number in range(5)]
        more = str(start + 2) if start + 2 < len(models) else ""
        return registry_pb.ListModelsResponse(models=models[start : start + 2], next_page_token=more)

    async def GetModel(self, request: registry_pb.GetModelRequest, context: Context) -> registry_pb.GetModelResponse:
        await self.enter(request, context)
        return registry_pb.GetModelResponse(model=model_pb2.Model(name=request.model, task="embed"))

    async def RegisterModel(
        self, request: registry_pb.RegisterModelRequest, context: Context
    ) -> registry_pb.RegisterModelResponse:
        await self.enter(request, context)
        return registry_pb.RegisterModelResponse(job=job_pb.Job(id=1, kind="repo_sync"))

    async def PullModel(self, request: registry_pb.PullModelRequest, context: Context) -> registry_pb.PullModelResponse:
        await self.enter(request, context)
        return registry_pb.PullModelResponse(job=job_pb.Job(id=2, kind="artifact_download"))

    async def BuildVariant(
        self, request: registry_pb.BuildVariantRequest, context: Context
    ) -> registry_pb.BuildVariantResponse:
        await self.enter(request, context)
        return registry_pb.BuildVariantResponse(job=job_pb.Job(id=3, kind="quantize"))

    async def UpdateModel(
        self, request: registry_pb.UpdateModelRequest, context: Context
    ) -> registry_pb.UpdateModelResponse:
        await self.enter(request, context)
        return registry_pb.UpdateModelResponse(model=model_pb2.Model(name=request.model))

    async def PinModel(self, request: registry_pb.PinModelRequest, context: Context) -> registry_pb.PinModelResponse:
        await self.enter(request, context)
        variant = model_pb2.Variant(digest=request.variant, pin=model_pb2.Pin(reason=request.reason))
        return registry_pb.PinModelResponse(model=model_pb2.Model(name=request.model, variants=[variant]))

    async def UnpinModel(
        self, request: registry_pb.UnpinModelRequest, context: Context
    ) -> registry_pb.UnpinModelResponse:
        await self.enter(request, context)
        variant = model_pb2.Variant(digest=request.variant)
        return registry_pb.UnpinModelResponse(model=model_pb2.Model(name=request.model, variants=[variant]))

    async def DeleteModel(
        self, request: registry_pb.DeleteModelRequest, context: Context
    ) -> registry_pb.DeleteModelResponse:
        await self.enter(request, context)
        return registry_pb.DeleteModelResponse(freed_bytes=1 << 33)

    async def LoadModel(self, request: registry_pb.LoadModelRequest, context: Context) -> registry_pb.LoadModelResponse:
        await self.enter(request, context)
        instance = model_pb2.Instance(backend=request.backend, precision=request.precision)
        model = model_pb2.Model(name=request.model, state=model_pb2.Model.STATE_SERVING, instances=[instance])
        return registry_pb.LoadModelResponse(model=model)

    async def UnloadModel(
        self, request: registry_pb.UnloadModelRequest, context: Context
    ) -> registry_pb.UnloadModelResponse:
        await self.enter(request, context)
        model = model_pb2.Model(name=request.model, state=model_pb2.Model.STATE_UNLOADED)
        return registry_pb.UnloadModelResponse(model=model)

    async def ListDevices(
        self, request: registry_pb.ListDevicesRequest, context: Context
    ) -> registry_pb.ListDevicesResponse:
        await self.enter(request, context)
        devices = [registry_pb.Device(backend="openvino", name="CPU"), registry_pb.Device(backend="cpu", name="cpu")]
        return registry_pb.ListDevicesResponse(devices=devices)

    async def GetCatalogue(
        self, request: registry_pb.GetCatalogueRequest, context: Context
    ) -> registry_pb.GetCatalogueResponse:
        await self.enter(request, context)
        entry = CatalogueEntry(model_type="bert", task=request.task, serves=True)
        return registry_pb.GetCatalogueResponse(architectures=[entry])
