"""Serves the routes that estimate depth."""

from __future__ import annotations

import base64

import grpc
from google.api.httpbody_pb2 import HttpBody

from panope.rest.v1 import depth_estimation_service_pb2_grpc as pb_grpc
from panope.rest.v1.path_pb2 import ModelPathWithBody
from panope_server.tasks.vision.depth import DepthInput, DepthMap, DepthOutput
from panope_server.tasks.vision.images import Image
from panope_server.transport.field_names import FieldNames
from panope_server.transport.interceptors.context import Context
from panope_server.transport.rest.depth.schemas import DepthBody, DepthJson, DepthParameters
from panope_server.transport.rest.hugging_face.image_servicer import ImageRoute, ImageServicer
from panope_server.transport.rest.json.requests import RequestBody, off_loop
from panope_server.transport.rest.json.responses import json_response
from panope_server.transport.services import Services


def _input(image: Image, parameters: DepthParameters) -> DepthInput:
    return DepthInput([image], float32=parameters.depth_format == "float32")


_ROUTE = ImageRoute(
    task="depth",
    body=RequestBody(DepthBody),
    parameters=DepthParameters,
    task_input=_input,
    output=DepthOutput,
    names=FieldNames({"images": "inputs"}, single=True),
)


class DepthEstimationServicer(ImageServicer, pb_grpc.DepthEstimationServiceServicer):
    """Serves panope.rest.v1.DepthEstimationService."""

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        pb_grpc.add_DepthEstimationServiceServicer_to_server(cls.of(services), server)

    async def EstimateDepth(self, request: HttpBody, context: Context) -> HttpBody:
        """Estimates depth with the model of the body."""
        return await self._estimate("", request, context, "DepthEstimationService/EstimateDepth")

    async def EstimateDepthModel(self, request: ModelPathWithBody, context: Context) -> HttpBody:
        """Estimates depth with the model of the path."""
        interface = "DepthEstimationService/EstimateDepthModel"
        return await self._estimate(request.model, request.body, context, interface)

    async def _estimate(self, path_model: str, request: HttpBody, context: Context, interface: str) -> HttpBody:
        answer = await self.run(_ROUTE, path_model, request, context, interface)
        (found,) = answer.output.images
        return await off_loop(len(found.png) + len(found.float32), _response, found)


def _response(found: DepthMap) -> HttpBody:
    answer: DepthJson = {
        "width": found.width,
        "height": found.height,
        "depth": base64.b64encode(found.png).decode() if found.png else None,
        "predicted_depth": base64.b64encode(found.float32).decode() if found.float32 else None,
        "min": found.low,
        "max": found.high,
        "unit": "inverse" if found.unit == "inverse" else "metre" if found.unit == "metre" else None,
    }
    return json_response(answer)
