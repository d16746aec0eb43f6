"""Serves the routes that make images larger."""

from __future__ import annotations

import grpc
from google.api.httpbody_pb2 import HttpBody

from panope.rest.v1 import super_resolution_service_pb2_grpc as pb_grpc
from panope.rest.v1.path_pb2 import ModelPathWithBody
from panope_server.tasks.vision.super_resolution import SuperResolutionInput, SuperResolutionOutput
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.rest.embedding.run import answered
from panope_server.transport.rest.hugging_face.calls import call_with
from panope_server.transport.rest.hugging_face.image_bodies import image_call
from panope_server.transport.rest.json.query import unknown_of
from panope_server.transport.rest.json.requests import RequestBody
from panope_server.transport.rest.super_resolution.schemas import SuperResolutionBody, SuperResolutionParameters
from panope_server.transport.services import Services

_BODY = RequestBody(SuperResolutionBody)
_NAMES = {"images": "inputs", "output_format": "parameters.output_format"}


class SuperResolutionServicer(pb_grpc.SuperResolutionServiceServicer):
    """Serves panope.rest.v1.SuperResolutionService."""

    def __init__(self, pipeline: Pipeline, *, report_unknown: bool = False) -> None:
        self._pipeline = pipeline
        self._report_unknown = report_unknown

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        report = services.settings.unknown_fields == "report"
        pb_grpc.add_SuperResolutionServiceServicer_to_server(cls(services.pipeline, report_unknown=report), server)

    async def Upscale(self, request: HttpBody, context: Context) -> HttpBody:
        """Makes an image larger with the model of the body."""
        return await self._upscale("", request, context, "SuperResolutionService/Upscale")

    async def UpscaleModel(self, request: ModelPathWithBody, context: Context) -> HttpBody:
        """Makes an image larger with the model of the path."""
        return await self._upscale(request.model, request.body, context, "SuperResolutionService/UpscaleModel")

    async def _upscale(self, path_model: str, request: HttpBody, context: Context, interface: str) -> HttpBody:
        unknown = unknown_of(context, report=self._report_unknown)
        given = await image_call(path_model, request, context, _BODY, unknown)
        parameters = given.parameters or SuperResolutionParameters()
        task_input = SuperResolutionInput([given.image], output_format=parameters.output_format)
        call = call_with(
            given.options,
            context,
            model=given.model,
            task_input=task_input,
            task="super-resolution",
            interface=interface,
        )
        output = await answered(self._pipeline, call, _NAMES, single=True)
        assert isinstance(output, SuperResolutionOutput)
        unknown.tell(context)
        return HttpBody(content_type=f"image/{parameters.output_format}", data=output.images[0].content)
