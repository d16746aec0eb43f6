"""DetectService: translates and delegates."""

from __future__ import annotations

import grpc

from panope.v1 import detect_service_pb2 as pb
from panope.v1 import detect_service_pb2_grpc as pb_grpc
from panope_server.tasks.vision.detect import DEFAULT_THRESHOLD, DetectInput, DetectOutput, ImageDetections
from panope_server.transport.grpc.images import box_message, images_of
from panope_server.transport.grpc.texts.calls import run
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.services import Services


class DetectServicer(pb_grpc.DetectServiceServicer):
    """Serves panope.v1.DetectService."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        pb_grpc.add_DetectServiceServicer_to_server(cls(services.pipeline), server)

    async def Detect(self, request: pb.DetectRequest, context: Context) -> pb.DetectResponse:
        """Finds things in images."""
        task_input = DetectInput(
            images_of(request.images),
            threshold=request.threshold if request.HasField("threshold") else DEFAULT_THRESHOLD,
            max_detections=request.max_detections if request.HasField("max_detections") else None,
        )
        answer, model = await run(
            self._pipeline,
            context,
            request.model,
            task_input,
            DetectOutput,
            task="detect",
            interface="DetectService/Detect",
        )
        return pb.DetectResponse(model=model, images=map(_image, answer.images))


def _image(found: ImageDetections) -> pb.ImageDetections:
    detections = [
        pb.Detection(label=each.label, score=each.score, box=box_message(each.box)) for each in found.detections
    ]
    return pb.ImageDetections(width=found.width, height=found.height, detections=detections)
