"""Serves the routes that divide images into segments."""

from __future__ import annotations

import base64

import grpc
from google.api.httpbody_pb2 import HttpBody

from panope.rest.v1 import segmentation_service_pb2_grpc as pb_grpc
from panope.rest.v1.path_pb2 import ModelPathWithBody
from panope_server.tasks.vision.images import Image
from panope_server.tasks.vision.segment import ImageSegments, Segment, SegmentInput, SegmentOutput
from panope_server.transport.field_names import FieldNames
from panope_server.transport.interceptors.context import Context
from panope_server.transport.rest.hugging_face.image_servicer import ImageRoute, ImageServicer
from panope_server.transport.rest.json.requests import RequestBody, off_loop
from panope_server.transport.rest.json.responses import json_response
from panope_server.transport.rest.segmentation.schemas import ImageSegmentJson, SegmentBody, SegmentParameters
from panope_server.transport.services import Services


def _input(image: Image, parameters: SegmentParameters) -> SegmentInput:
    return SegmentInput(
        [image],
        subtask=parameters.subtask or "",
        threshold=parameters.threshold,
        mask_threshold=parameters.mask_threshold,
        overlap_mask_area_threshold=parameters.overlap_mask_area_threshold,
        max_segments=parameters.max_segments,
        run_lengths=parameters.mask_format == "rle",
    )


_PARAMETERS = ("subtask", "threshold", "mask_threshold", "overlap_mask_area_threshold", "max_segments")
_ROUTE = ImageRoute(
    task="segment",
    body=RequestBody(SegmentBody),
    parameters=SegmentParameters,
    task_input=_input,
    output=SegmentOutput,
    names=FieldNames({"images": "inputs", **{name: f"parameters.{name}" for name in _PARAMETERS}}, single=True),
)


class SegmentationServicer(ImageServicer, pb_grpc.SegmentationServiceServicer):
    """Serves panope.rest.v1.SegmentationService."""

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        pb_grpc.add_SegmentationServiceServicer_to_server(cls.of(services), server)

    async def Segment(self, request: HttpBody, context: Context) -> HttpBody:
        """Segments with the model of the body."""
        return await self._segment("", request, context, "SegmentationService/Segment")

    async def SegmentModel(self, request: ModelPathWithBody, context: Context) -> HttpBody:
        """Segments with the model of the path."""
        return await self._segment(request.model, request.body, context, "SegmentationService/SegmentModel")

    async def _segment(self, path_model: str, request: HttpBody, context: Context, interface: str) -> HttpBody:
        answer = await self.run(_ROUTE, path_model, request, context, interface)
        (found,) = answer.output.images
        size = sum(len(each.png) + len(each.runs) for each in found.segments)
        return await off_loop(size, _response, found, answer.parameters.mask_format == "rle")


def _response(found: ImageSegments, run_lengths: bool) -> HttpBody:
    return json_response([_segment(each, [found.height, found.width], run_lengths) for each in found.segments])


def _segment(found: Segment, size: list[int], run_lengths: bool) -> ImageSegmentJson:
    return {
        "label": found.label,
        "score": found.score,
        "mask": {"size": size, "counts": found.runs} if run_lengths else base64.b64encode(found.png).decode(),
    }
