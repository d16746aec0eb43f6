"""The message that classifies a video."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TypedDict

from panope.v1 import media_pb2
from panope.v1.classify_service_pb2 import ClassifyVideoRequest
from panope_client.arguments import check_options, request_of
from panope_client.errors import InvalidArgumentError
from panope_client.messages.classify import Function, function_of
from panope_client.messages.interpolation import VideoSource

#: A string that begins with one is a URL, and else a path.
_SCHEMES = ("data:", "http://", "https://")


class ClassifyVideoOptions(TypedDict, total=False):
    """How to classify a video.

    Attributes:
        function: what makes scores of the model's values; as the model's files say by default.
        top_k: how many labels to tell; default all.
    """

    function: Function | None
    top_k: int | None


def classify_video_request(video: VideoSource, model: str, options: ClassifyVideoOptions) -> ClassifyVideoRequest:
    """Makes the request to classify a video.

    Raises:
        InvalidArgumentError: an argument is unknown or has a wrong value, or there is no such file.
    """
    check_options(options, ClassifyVideoOptions)
    return request_of(
        ClassifyVideoRequest,
        model=model,
        video=_video(video),
        function=function_of(options.get("function")),
        top_k=options.get("top_k"),
    )


def _video(video: VideoSource) -> media_pb2.Video:
    if isinstance(video, bytes):
        return media_pb2.Video(content=video)
    if not isinstance(video, str | PathLike):
        raise InvalidArgumentError("`video` must be the bytes of a file, its path or its URL", field="video")
    if isinstance(video, str) and video.lower().startswith(_SCHEMES):
        return media_pb2.Video(uri=video)
    try:
        return media_pb2.Video(content=Path(video).read_bytes())
    except OSError as error:
        raise InvalidArgumentError(f"`video`: `{video}` cannot be read: {error.strerror}", field="video") from error
