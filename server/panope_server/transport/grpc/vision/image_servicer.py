"""ImageService: translates and delegates."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import grpc

from panope.v1 import image_service_pb2 as pb
from panope.v1 import image_service_pb2_grpc as pb_grpc
from panope_server.tasks.vision.image_generation import ImageGenerationOutput
from panope_server.tasks.vision.super_resolution import OutputFormat, SuperResolutionInput, SuperResolutionOutput
from panope_server.transport.answers import renaming
from panope_server.transport.field_names import FieldNames
from panope_server.transport.grpc.fields import known, named_model
from panope_server.transport.grpc.images import images_of
from panope_server.transport.grpc.texts.calls import run
from panope_server.transport.grpc.vision.generated_images import NAMES, input_of, responses_of
from panope_server.transport.interceptors.context import Context, call_for
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.services import Services

_FORMATS: Mapping[int, OutputFormat] = {
    pb.OUTPUT_FORMAT_UNSPECIFIED: "png",
    pb.OUTPUT_FORMAT_PNG: "png",
    pb.OUTPUT_FORMAT_JPEG: "jpeg",
}


class ImageServicer(pb_grpc.ImageServiceServicer):
    """Serves panope.v1.ImageService."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        pb_grpc.add_ImageServiceServicer_to_server(cls(services.pipeline), server)

    async def Upscale(self, request: pb.UpscaleRequest, context: Context) -> pb.UpscaleResponse:
        """Makes images larger."""
        kind = known(_FORMATS, request.output_format, "output_format")
        answer, model = await run(
            self._pipeline,
            context,
            request.model,
            SuperResolutionInput(images_of(request.images), output_format=kind),
            SuperResolutionOutput,
            task="super-resolution",
            interface="ImageService/Upscale",
        )
        made = [pb.UpscaledImage(width=each.width, height=each.height, content=each.content) for each in answer.images]
        return pb.UpscaleResponse(model=model, images=made)

    async def GenerateImages(
        self, request: pb.GenerateImagesRequest, context: Context
    ) -> AsyncIterator[pb.GenerateImagesResponse]:
        """Draws images, step by step."""
        call = call_for(
            context,
            model=named_model(request.model),
            task_input=input_of(request),
            task="image-generation",
            interface="ImageService/GenerateImages",
        )
        with renaming(FieldNames(NAMES)):
            async with self._pipeline.stream(call) as parts:
                async for part in parts:
                    assert isinstance(part, ImageGenerationOutput)
                    for response in responses_of(call.model, part):
                        yield response
