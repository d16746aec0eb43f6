"""The messages by which videos get more frames."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from panope.v1 import video_service_pb2 as pb
from panope_backends.errors import InvalidInputError
from panope_server.config import Limits
from panope_server.tasks.links import file_url
from panope_server.tasks.vision.frame_interpolation import FrameInterpolationInput, FrameInterpolationOutput
from panope_server.tasks.vision.videos import check_video_size
from panope_server.transport.answers import renaming
from panope_server.transport.field_names import FieldNames
from panope_server.transport.grpc.fields import known, named_model
from panope_server.transport.grpc.vision.video_messages import VIDEO_FORMATS, video_pieces
from panope_server.transport.interceptors.context import Context, call_for
from panope_server.transport.interfaces import Pipeline

NAMES = FieldNames(
    {
        "model": "config.model",
        "factor": "config.factor",
        "frames_per_second": "config.frames_per_second",
        "output_format": "config.format",
        "video": "content",
    }
)


async def interpolate_video(
    requests: AsyncIterator[pb.InterpolateVideoRequest], context: Context, pipeline: Pipeline, limits: Limits
) -> AsyncIterator[pb.InterpolateVideoResponse]:
    """What is told of a video while it gets more frames.

    Raises:
        CallerError: the pipeline's, with the fields of the messages.
    """
    with renaming(NAMES):
        model, task_input = await read_requests(requests, limits)
        call = call_for(
            context,
            model=model,
            task_input=task_input,
            task="frame-interpolation",
            interface="VideoService/InterpolateVideo",
        )
        async with pipeline.stream(call) as parts:
            async for part in parts:
                assert isinstance(part, FrameInterpolationOutput)
                for response in _responses(call.model, part):
                    yield response


async def read_requests(
    requests: AsyncIterator[pb.InterpolateVideoRequest], limits: Limits
) -> tuple[str, FrameInterpolationInput]:
    """The model that is asked for, and its input; no more of the file is kept than the limit.

    Raises:
        InvalidInputError: a message has what it must not have, or the file is too large.
    """
    config = await _first_config(requests)
    task_input = _input_of(config)
    if not task_input.url:
        task_input.video = await _file_of(requests, limits)
    return config.model, task_input


async def _first_config(requests: AsyncIterator[pb.InterpolateVideoRequest]) -> pb.InterpolateVideoConfig:
    first = await anext(requests, None)
    if first is None or first.WhichOneof("message") != "config":
        raise InvalidInputError.at("config", "{field} must be in the first message of the stream")
    return first.config


def _input_of(config: pb.InterpolateVideoConfig) -> FrameInterpolationInput:
    """What the first message asks for, without the file."""
    named_model(config.model)
    return FrameInterpolationInput(
        b"",
        config.factor,
        config.frames_per_second,
        known(VIDEO_FORMATS, config.format, "config.format"),
        file_url(config.uri, "config.uri") if config.uri else "",
    )


async def _file_of(requests: AsyncIterator[pb.InterpolateVideoRequest], limits: Limits) -> bytes:
    """The file of the messages behind the first."""
    content = bytearray()
    async for request in requests:
        if request.WhichOneof("message") != "content":
            raise InvalidInputError.at("content", "{field} is what every message behind the first has")
        content += request.content
        check_video_size(len(content), limits)
    return bytes(content)


def _responses(model: str, part: FrameInterpolationOutput) -> Iterator[pb.InterpolateVideoResponse]:
    if (told := part.progress) is not None:
        progress = pb.InterpolationProgress(frames=told.frames, total_frames=told.total_frames)
        yield pb.InterpolateVideoResponse(model=model, progress=progress)
    if part.video is not None:
        for piece in video_pieces(part.video):
            yield pb.InterpolateVideoResponse(model=model, video=piece)
