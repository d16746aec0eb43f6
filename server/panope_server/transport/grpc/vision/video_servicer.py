"""VideoService: translates and delegates."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import grpc

from panope.v1 import image_service_pb2 as image_pb
from panope.v1 import video_service_pb2 as pb
from panope.v1 import video_service_pb2_grpc as pb_grpc
from panope_server.tasks.vision.video_generation import (
    Video,
    VideoFormat,
    VideoGenerationInput,
    VideoGenerationOutput,
)
from panope_server.transport.answers import renaming
from panope_server.transport.field_names import FieldNames
from panope_server.transport.grpc.fields import known, named_model
from panope_server.transport.interceptors.context import Context, call_for
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.services import Services

_FORMATS: Mapping[int, VideoFormat] = {
    pb.VIDEO_FORMAT_UNSPECIFIED: "mp4",
    pb.VIDEO_FORMAT_MP4: "mp4",
    pb.VIDEO_FORMAT_WEBM: "webm",
}
NAMES = FieldNames({"output_format": "format"})

#: Of one message of a stream.
_PIECE_BYTES = 256 << 10


class VideoServicer(pb_grpc.VideoServiceServicer):
    """Serves panope.v1.VideoService."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        pb_grpc.add_VideoServiceServicer_to_server(cls(services.pipeline), server)

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
        output_format=known(_FORMATS, request.format, "format"),
        **optional,
    )


def _responses(model: str, part: VideoGenerationOutput) -> Iterator[pb.GenerateVideoResponse]:
    if (told := part.progress) is not None:
        progress = image_pb.GenerationProgress(index=told.index, step=told.step, steps=told.steps)
        yield pb.GenerateVideoResponse(model=model, progress=progress)
    if part.video is not None:
        for piece in video_pieces(part.video):
            yield pb.GenerateVideoResponse(model=model, video=piece)


def video_pieces(video: Video) -> Iterator[pb.VideoPiece]:
    """A file in pieces of a bounded size, at least one."""
    for start in range(0, max(1, len(video.content)), _PIECE_BYTES):
        yield pb.VideoPiece(
            content=video.content[start : start + _PIECE_BYTES],
            width=video.width,
            height=video.height,
            frames=video.frames,
            frames_per_second=video.frames_per_second,
            seed=video.seed,
        )
