"""Serves the routes that look for things in images."""

from __future__ import annotations

import grpc
from google.api.httpbody_pb2 import HttpBody

from panope.rest.v1 import detection_service_pb2_grpc as pb_grpc
from panope.rest.v1.path_pb2 import ModelPathWithBody
from panope_server.tasks.vision.detect import Box, DetectInput, Detection, DetectOutput
from panope_server.tasks.vision.images import Image
from panope_server.transport.field_names import FieldNames
from panope_server.transport.interceptors.context import Context
from panope_server.transport.rest.detection.schemas import DetectBody, DetectionJson, DetectParameters
from panope_server.transport.rest.hugging_face.image_servicer import ImageRoute, ImageServicer
from panope_server.transport.rest.json.requests import RequestBody
from panope_server.transport.rest.json.responses import json_response
from panope_server.transport.services import Services


def _input(image: Image, parameters: DetectParameters) -> DetectInput:
    return DetectInput(
        [image],
        threshold=parameters.threshold,
        max_detections=parameters.max_detections,
        candidate_labels=parameters.candidate_labels or [],
        boxes=[Box(box.xmin, box.ymin, box.xmax, box.ymax) for box in parameters.boxes or ()],
    )


_NAMES = {
    "images": "inputs",
    "threshold": "parameters.threshold",
    "max_detections": "parameters.max_detections",
    "candidate_labels": "parameters.candidate_labels",
    "boxes": "parameters.boxes",
}
_ROUTE = ImageRoute(
    task="detect",
    body=RequestBody(DetectBody),
    parameters=DetectParameters,
    task_input=_input,
    output=DetectOutput,
    names=FieldNames(_NAMES, single=True),
)


class DetectionServicer(ImageServicer, pb_grpc.DetectionServiceServicer):
    """Serves panope.rest.v1.DetectionService."""

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        pb_grpc.add_DetectionServiceServicer_to_server(cls.of(services), server)

    async def Detect(self, request: HttpBody, context: Context) -> HttpBody:
        """Detects with the model of the body."""
        return await self._detect("", request, context, "DetectionService/Detect")

    async def DetectModel(self, request: ModelPathWithBody, context: Context) -> HttpBody:
        """Detects with the model of the path."""
        return await self._detect(request.model, request.body, context, "DetectionService/DetectModel")

    async def _detect(self, path_model: str, request: HttpBody, context: Context, interface: str) -> HttpBody:
        answer = await self.run(_ROUTE, path_model, request, context, interface)
        return json_response([_detection(found) for found in answer.output.images[0].detections])


def _detection(found: Detection) -> DetectionJson:
    box = found.box
    value: DetectionJson = {
        "label": found.label,
        "score": found.score,
        "box": {"xmin": int(box.x_min), "ymin": int(box.y_min), "xmax": int(box.x_max), "ymax": int(box.y_max)},
    }
    if found.keypoints:
        points = found.keypoints
        value["keypoints"] = [{"name": each.name, "score": each.score, "x": each.x, "y": each.y} for each in points]
    return value
