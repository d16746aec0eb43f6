"""DetectService: translates and delegates."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable

import grpc

from panope.v1 import detect_service_pb2 as pb
from panope.v1 import detect_service_pb2_grpc as pb_grpc
from panope_server.config import Limits
from panope_server.tasks.vision.detect import DetectInput, Detection, DetectOutput, ImageDetections
from panope_server.transport.grpc.images import box_message, boxes_of, images_of
from panope_server.transport.grpc.streams import Window, answer_each
from panope_server.transport.grpc.texts.calls import run
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.services import Services


class DetectServicer(pb_grpc.DetectServiceServicer):
    """Serves panope.v1.DetectService."""

    def __init__(self, pipeline: Pipeline, limits: Limits) -> None:
        self._pipeline = pipeline
        self._limits = limits

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        servicer = cls(services.pipeline, services.settings.limits)
        pb_grpc.add_DetectServiceServicer_to_server(servicer, server)

    async def Detect(self, request: pb.DetectRequest, context: Context) -> pb.DetectResponse:
        """Finds things in images."""
        return await self._detect(request, context, "Detect")

    async def StreamDetect(
        self, request_iterator: AsyncIterator[pb.StreamDetectRequest], context: Context
    ) -> AsyncIterator[pb.StreamDetectResponse]:
        """Finds things in the images of one request after another."""

        def run(request: pb.DetectRequest) -> Awaitable[pb.DetectResponse]:
            return self._detect(request, context, "StreamDetect")

        async for response in answer_each(
            request_iterator, run, pb.StreamDetectResponse, Window(self._limits, _size_of)
        ):
            yield response

    async def _detect(self, request: pb.DetectRequest, context: Context, method: str) -> pb.DetectResponse:
        task_input = DetectInput(
            images_of(request.images),
            threshold=request.threshold if request.HasField("threshold") else None,
            max_detections=request.max_detections if request.HasField("max_detections") else None,
            candidate_labels=list(request.candidate_labels),
            boxes=boxes_of(request.boxes),
        )
        answer, model = await run(
            self._pipeline,
            context,
            request.model,
            task_input,
            DetectOutput,
            task="detect",
            interface=f"DetectService/{method}",
        )
        return pb.DetectResponse(model=model, images=map(_image, answer.images))


def _size_of(request: pb.StreamDetectRequest) -> tuple[int, int]:
    return len(request.request.images), request.ByteSize()


def _image(found: ImageDetections) -> pb.ImageDetections:
    return pb.ImageDetections(width=found.width, height=found.height, detections=map(_detection, found.detections))


def _detection(found: Detection) -> pb.Detection:
    points = [pb.Keypoint(name=each.name, score=each.score, x=each.x, y=each.y) for each in found.keypoints]
    return pb.Detection(label=found.label, score=found.score, box=box_message(found.box), keypoints=points)
