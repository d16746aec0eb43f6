"""DepthService: translates and delegates."""

from __future__ import annotations

from collections.abc import Mapping

import grpc

from panope.v1 import depth_service_pb2 as pb
from panope.v1 import depth_service_pb2_grpc as pb_grpc
from panope_server.tasks.vision.depth import DepthInput, DepthMap, DepthOutput
from panope_server.transport.grpc.fields import known
from panope_server.transport.grpc.images import images_of
from panope_server.transport.grpc.texts.calls import run
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.services import Services

_FLOAT32: Mapping[int, bool] = {
    pb.DEPTH_FORMAT_UNSPECIFIED: False,
    pb.DEPTH_FORMAT_PNG: False,
    pb.DEPTH_FORMAT_FLOAT32: True,
}
_UNITS: Mapping[str, pb.DepthUnit.ValueType] = {
    "": pb.DEPTH_UNIT_UNSPECIFIED,
    "inverse": pb.DEPTH_UNIT_INVERSE,
    "metre": pb.DEPTH_UNIT_METRE,
}


class DepthServicer(pb_grpc.DepthServiceServicer):
    """Serves panope.v1.DepthService."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        pb_grpc.add_DepthServiceServicer_to_server(cls(services.pipeline), server)

    async def EstimateDepth(self, request: pb.EstimateDepthRequest, context: Context) -> pb.EstimateDepthResponse:
        """Estimates the depth of images."""
        answer, model = await run(
            self._pipeline,
            context,
            request.model,
            DepthInput(images_of(request.images), float32=known(_FLOAT32, request.depth_format, "depth_format")),
            DepthOutput,
            task="depth",
            interface="DepthService/EstimateDepth",
        )
        return pb.EstimateDepthResponse(model=model, images=[_map(each) for each in answer.images])


def _map(found: DepthMap) -> pb.DepthMap:
    message = pb.DepthMap(
        width=found.width, height=found.height, min=found.low, max=found.high, unit=_UNITS[found.unit]
    )
    if found.float32:
        message.float32 = found.float32
    else:
        message.png = found.png
    return message
