"""Requests for videos, from arguments, and videos, from answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypedDict

from panope.v1 import video_service_pb2 as pb
from panope_client.arguments import check_options, request_of, value_of
from panope_client.errors import InvalidResponseError
from panope_client.messages.image import ImageSource, image_message

VideoFormat = Literal["mp4", "webm"]

_FORMATS: Mapping[str, pb.VideoFormat.ValueType] = {
    "mp4": pb.VIDEO_FORMAT_MP4,
    "webm": pb.VIDEO_FORMAT_WEBM,
}


@dataclass(frozen=True)
class Video:
    """A video.

    Attributes:
        content: the file.
        width: in pixels.
        height: the same.
        frames: how many it has.
        frames_per_second: that are shown.
        seed: by which the same request draws it again; 0 for what was not drawn.
        has_audio: whether it has sound.
    """

    content: bytes = field(repr=False)
    width: int
    height: int
    frames: int
    frames_per_second: float
    seed: int = 0
    has_audio: bool = False


class GenerateVideoOptions(TypedDict, total=False):
    """How to draw; what is left out is the model's own.

    Attributes:
        negative_prompt: what is not to be seen.
        width: in pixels, a multiple of what the model's `diffusion.size_multiple` says.
        height: the same.
        frames: how many, one more than a multiple of `diffusion.frames_multiple`.
        frames_per_second: how many are shown, at most 120.
        steps: to draw in, at most 250.
        guidance_scale: how closely to keep to the prompt, from 0 to 100.
        seed: below 2**63; any by default.
        format: of the file; `mp4` by default.
        image: that the video begins with, for models whose `diffusion.inputs` have `image`.
    """

    negative_prompt: str | None
    width: int
    height: int
    frames: int
    frames_per_second: int
    steps: int
    guidance_scale: float | None
    seed: int | None
    format: VideoFormat | None
    image: ImageSource | None


def generate_video_request(prompt: str, model: str, options: GenerateVideoOptions) -> pb.GenerateVideoRequest:
    """Makes the request to draw a video.

    Raises:
        InvalidArgumentError: an argument is unknown or has a wrong value.
    """
    check_options(options, GenerateVideoOptions)
    return request_of(
        pb.GenerateVideoRequest,
        model=model,
        prompt=prompt,
        negative_prompt=options.get("negative_prompt"),
        width=options.get("width", 0),
        height=options.get("height", 0),
        frames=options.get("frames", 0),
        frames_per_second=options.get("frames_per_second", 0),
        steps=options.get("steps", 0),
        guidance_scale=options.get("guidance_scale"),
        seed=options.get("seed"),
        format=format_of(options.get("format")),
        image=None if (image := options.get("image")) is None else image_message(image, "image"),
    )


def format_of(form: VideoFormat | None) -> pb.VideoFormat.ValueType:
    """The number of a format; the server's default for none.

    Raises:
        InvalidArgumentError: there is no such format.
    """
    return pb.VIDEO_FORMAT_UNSPECIFIED if form is None else value_of(form, _FORMATS, "format")


def video_of(pieces: Sequence[pb.VideoPiece]) -> Video:
    """The video of the pieces of an answer.

    Raises:
        InvalidResponseError: there are none.
    """
    if not pieces:
        raise InvalidResponseError("the stream ended before the video had come")
    last = pieces[-1]
    content = b"".join(piece.content for piece in pieces)
    return Video(content, last.width, last.height, last.frames, last.frames_per_second, last.seed, last.has_audio)
