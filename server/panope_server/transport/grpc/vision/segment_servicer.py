"""SegmentService: translates and delegates."""

from __future__ import annotations

from collections.abc import Mapping

import grpc

from panope.v1 import segment_service_pb2 as pb
from panope.v1 import segment_service_pb2_grpc as pb_grpc
from panope_server.tasks.vision.segment import ImageSegments, Segment, SegmentInput, SegmentOutput, Subtask
from panope_server.transport.grpc.fields import known
from panope_server.transport.grpc.images import box_message, images_of
from panope_server.transport.grpc.texts.calls import run
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.services import Services

_SUBTASKS: Mapping[int, Subtask] = {
    pb.SEGMENT_SUBTASK_UNSPECIFIED: "",
    pb.SEGMENT_SUBTASK_SEMANTIC: "semantic",
    pb.SEGMENT_SUBTASK_INSTANCE: "instance",
    pb.SEGMENT_SUBTASK_PANOPTIC: "panoptic",
}
_RUN_LENGTHS: Mapping[int, bool] = {
    pb.MASK_FORMAT_UNSPECIFIED: False,
    pb.MASK_FORMAT_PNG: False,
    pb.MASK_FORMAT_RUN_LENGTHS: True,
}

_OPTIONAL = frozenset({"threshold", "mask_threshold", "overlap_mask_area_threshold", "max_segments"})


class SegmentServicer(pb_grpc.SegmentServiceServicer):
    """Serves panope.v1.SegmentService."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        pb_grpc.add_SegmentServiceServicer_to_server(cls(services.pipeline), server)

    async def Segment(self, request: pb.SegmentRequest, context: Context) -> pb.SegmentResponse:
        """Divides images into segments."""
        given = {field.name: value for field, value in request.ListFields() if field.name in _OPTIONAL}
        task_input = SegmentInput(
            images_of(request.images),
            subtask=known(_SUBTASKS, request.subtask, "subtask"),
            run_lengths=known(_RUN_LENGTHS, request.mask_format, "mask_format"),
            **given,
        )
        answer, model = await run(
            self._pipeline,
            context,
            request.model,
            task_input,
            SegmentOutput,
            task="segment",
            interface="SegmentService/Segment",
        )
        runs = task_input.run_lengths
        return pb.SegmentResponse(model=model, images=[_image(found, runs=runs) for found in answer.images])


def _image(found: ImageSegments, *, runs: bool) -> pb.ImageSegments:
    segments = [_segment(each, runs=runs) for each in found.segments]
    return pb.ImageSegments(width=found.width, height=found.height, segments=segments)


def _segment(found: Segment, *, runs: bool) -> pb.Segment:
    message = pb.Segment(label=found.label, score=found.score, area=found.area, box=box_message(found.box))
    if runs:
        message.run_lengths.counts.extend(found.runs)
    else:
        message.png = found.png
    return message
