"""Serves the routes that make images larger."""

from __future__ import annotations

import grpc
from google.api.httpbody_pb2 import HttpBody

from panope.rest.v1 import super_resolution_service_pb2_grpc as pb_grpc
from panope.rest.v1.path_pb2 import ModelPathWithBody
from panope_server.tasks.vision.images import Image
from panope_server.tasks.vision.super_resolution import SuperResolutionInput, SuperResolutionOutput
from panope_server.transport.field_names import FieldNames
from panope_server.transport.interceptors.context import Context
from panope_server.transport.rest.hugging_face.image_servicer import ImageRoute, ImageServicer
from panope_server.transport.rest.json.requests import RequestBody
from panope_server.transport.rest.super_resolution.schemas import SuperResolutionBody, SuperResolutionParameters
from panope_server.transport.services import Services


def _input(image: Image, parameters: SuperResolutionParameters) -> SuperResolutionInput:
    return SuperResolutionInput([image], output_format=parameters.output_format)


_ROUTE = ImageRoute(
    task="super-resolution",
    body=RequestBody(SuperResolutionBody),
    parameters=SuperResolutionParameters,
    task_input=_input,
    output=SuperResolutionOutput,
    names=FieldNames({"images": "inputs", "output_format": "parameters.output_format"}, single=True),
)


class SuperResolutionServicer(ImageServicer, pb_grpc.SuperResolutionServiceServicer):
    """Serves panope.rest.v1.SuperResolutionService."""

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        pb_grpc.add_SuperResolutionServiceServicer_to_server(cls.of(services), server)

    async def Upscale(self, request: HttpBody, context: Context) -> HttpBody:
        """Makes an image larger with the model of the body."""
        return await self._upscale("", request, context, "SuperResolutionService/Upscale")

    async def UpscaleModel(self, request: ModelPathWithBody, context: Context) -> HttpBody:
        """Makes an image larger with the model of the path."""
        return await self._upscale(request.model, request.body, context, "SuperResolutionService/UpscaleModel")

    async def _upscale(self, path_model: str, request: HttpBody, context: Context, interface: str) -> HttpBody:
        answer = await self.run(_ROUTE, path_model, request, context, interface)
        media_type = f"image/{answer.parameters.output_format}"
        return HttpBody(content_type=media_type, data=answer.output.images[0].content)
