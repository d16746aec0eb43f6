"""Serves the routes that estimate depth."""

from __future__ import annotations

import base64

import grpc
from google.api.httpbody_pb2 import HttpBody

from panope.rest.v1 import depth_estimation_service_pb2_grpc as pb_grpc
from panope.rest.v1.path_pb2 import ModelPathWithBody
from panope_server.tasks.vision.depth import DepthInput, DepthMap, DepthOutput
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.rest.depth.schemas import DepthBody, DepthJson, DepthParameters
from panope_server.transport.rest.embedding.run import answered
from panope_server.transport.rest.hugging_face.calls import call_with
from panope_server.transport.rest.hugging_face.image_bodies import image_call
from panope_server.transport.rest.json.query import unknown_of
from panope_server.transport.rest.json.requests import RequestBody, off_loop
from panope_server.transport.rest.json.responses import json_response
from panope_server.transport.services import Services

_BODY = RequestBody(DepthBody)
_NAMES = {"images": "inputs"}


class DepthEstimationServicer(pb_grpc.DepthEstimationServiceServicer):
    """Serves panope.rest.v1.DepthEstimationService."""

    def __init__(self, pipeline: Pipeline, *, report_unknown: bool = False) -> None:
        self._pipeline = pipeline
        self._report_unknown = report_unknown

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        report = services.settings.unknown_fields == "report"
        pb_grpc.add_DepthEstimationServiceServicer_to_server(cls(services.pipeline, report_unknown=report), server)

    async def EstimateDepth(self, request: HttpBody, context: Context) -> HttpBody:
        """Estimates depth with the model of the body."""
        return await self._estimate("", request, context, "DepthEstimationService/EstimateDepth")

    async def EstimateDepthModel(self, request: ModelPathWithBody, context: Context) -> HttpBody:
        """Estimates depth with the model of the path."""
        interface = "DepthEstimationService/EstimateDepthModel"
        return await self._estimate(request.model, request.body, context, interface)

    async def _estimate(self, path_model: str, request: HttpBody, context: Context, interface: str) -> HttpBody:
        unknown = unknown_of(context, report=self._report_unknown)
        given = await image_call(path_model, request, context, _BODY, unknown)
        parameters = given.parameters or DepthParameters()
        task_input = DepthInput([given.image], float32=parameters.depth_format == "float32")
        call = call_with(
            given.options, context, model=given.model, task_input=task_input, task="depth", interface=interface
        )
        output = await answered(self._pipeline, call, _NAMES, single=True)
        assert isinstance(output, DepthOutput)
        unknown.tell(context)
        (found,) = output.images
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
