"""VideoService: translates and delegates."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc

from panope.v1 import image_service_pb2 as image_pb
from panope.v1 import video_service_pb2 as pb
from panope.v1 import video_service_pb2_grpc as pb_grpc
from panope_server.config import Limits
from panope_server.tasks.vision.video_generation import VideoGenerationInput, VideoGenerationOutput
from panope_server.transport.answers import renaming
from panope_server.transport.field_names import FieldNames
from panope_server.transport.grpc.fields import known, named_model
from panope_server.transport.grpc.images import image_of
from panope_server.transport.grpc.vision.interpolate_video import interpolate_video
from panope_server.transport.grpc.vision.video_messages import VIDEO_FORMATS, video_pieces
from panope_server.transport.interceptors.context import Context, call_for
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.services import Services

NAMES = FieldNames({"output_format": "format"})


class VideoServicer(pb_grpc.VideoServiceServicer):
    """Serves panope.v1.VideoService."""

    def __init__(self, pipeline: Pipeline, limits: Limits) -> None:
        self._pipeline = pipeline
        self._limits = limits

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        pb_grpc.add_VideoServiceServicer_to_server(cls(services.pipeline, services.settings.limits), server)

    async def GenerateVideo(
        self, request: pb.GenerateVideoRequest, context: Context
    ) -> AsyncIterator[pb.GenerateVideoResponse]:
        """Draws a video, step by step."""
        call = call_for(
            context,
            model=named_model(request.model),
            task_input=input_of(request),
            task="video-generation",
            interface="VideoService/GenerateVideo",
        )
        with renaming(NAMES):
            async with self._pipeline.stream(call) as parts:
                async for part in parts:
                    assert isinstance(part, VideoGenerationOutput)
                    for response in _responses(call.model, part):
                        yield response

    async def InterpolateVideo(
        self, request_iterator: AsyncIterator[pb.InterpolateVideoRequest], context: Context
    ) -> AsyncIterator[pb.InterpolateVideoResponse]:
        """Makes frames between those of a video."""
        async for response in interpolate_video(request_iterator, context, self._pipeline, self._limits):
            yield response


def input_of(request: pb.GenerateVideoRequest) -> VideoGenerationInput:
    """What a request asks for; InvalidInputError for a value of an enum that nobody knows."""
    optional: dict[str, Any] = {
        name: getattr(request, name) if request.HasField(name) else None
        for name in ("negative_prompt", "guidance_scale", "seed")
    }
    return VideoGenerationInput(
        request.prompt,
        width=request.width,
        height=request.height,
        frames=request.frames,
        frames_per_second=request.frames_per_second,
        steps=request.steps,
        output_format=known(VIDEO_FORMATS, request.format, "format"),
        image=image_of(request.image, "image") if request.HasField("image") else None,
        **optional,
    )


def _responses(model: str, part: VideoGenerationOutput) -> Iterator[pb.GenerateVideoResponse]:
    if (told := part.progress) is not None:
        progress = image_pb.GenerationProgress(index=told.index, step=told.step, steps=told.steps)
        yield pb.GenerateVideoResponse(model=model, progress=progress)
    if part.video is not None:
        for piece in video_pieces(part.video):
            yield pb.GenerateVideoResponse(model=model, video=piece)
