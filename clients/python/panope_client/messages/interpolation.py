"""Requests for videos with more frames, from arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import TypeAlias, TypedDict, TypeVar

from panope.v1 import generation_job_service_pb2 as job_pb
from panope.v1 import video_service_pb2 as pb
from panope_client.arguments import check_options, request_of
from panope_client.errors import InvalidArgumentError
from panope_client.messages.live import LiveSource
from panope_client.messages.video import VideoFormat, format_of

VideoSource: TypeAlias = bytes | str | PathLike[str]
"""A file as bytes, its path, a `data:` URL, or its URL of https or http, which the server must be set to fetch."""

Request = TypeVar("Request")

_URLS = ("data:", "https://", "http://")

#: Of one message of a stream.
_PIECE_BYTES = 256 << 10


class InterpolateVideoOptions(TypedDict, total=False):
    """Which frames to make.

    Attributes:
        factor: how many for each that there was, from 2 to 16; 2 by default.
        frames_per_second: how many are shown in a second, from 1 to 240, in the place of `factor`.
        format: of the file; `mp4` by default.
    """

    factor: int
    frames_per_second: float
    format: VideoFormat | None


def interpolation_source(
    video: VideoSource, model: str, options: InterpolateVideoOptions
) -> LiveSource[pb.InterpolateVideoRequest]:
    """Makes the requests: how, and then the file, which is read as it goes out.

    Raises:
        InvalidArgumentError: an argument is unknown or has a wrong value, or there is no such file.
    """
    return _source(video, model, options, lambda request: request)


def interpolation_job_source(
    video: VideoSource, model: str, options: InterpolateVideoOptions
) -> LiveSource[job_pb.SubmitInterpolationRequest]:
    """As `interpolation_source`, of a job that will do it."""
    return _source(video, model, options, lambda request: job_pb.SubmitInterpolationRequest(request=request))


def _source(
    video: VideoSource,
    model: str,
    options: InterpolateVideoOptions,
    sent: Callable[[pb.InterpolateVideoRequest], Request],
) -> LiveSource[Request]:
    check_options(options, InterpolateVideoOptions)
    url = video if isinstance(video, str) and video.lower().startswith(_URLS) else ""
    config = request_of(
        pb.InterpolateVideoConfig,
        model=model,
        factor=options.get("factor", 0),
        frames_per_second=options.get("frames_per_second", 0.0),
        format=format_of(options.get("format")),
        uri=url,
    )
    pieces = iter(()) if url else _pieces(video)
    return LiveSource(
        pieces,
        sent(pb.InterpolateVideoRequest(config=config)),
        lambda piece: sent(pb.InterpolateVideoRequest(content=piece)),
    )


def _pieces(video: VideoSource) -> Iterator[bytes]:
    if isinstance(video, bytes):
        return (video[start : start + _PIECE_BYTES] for start in range(0, len(video), _PIECE_BYTES))
    if not isinstance(video, str | PathLike):
        raise InvalidArgumentError("`video` must be the bytes of a file, its path or its URL", field="video")
    path = Path(video)
    if not path.is_file():
        raise InvalidArgumentError(f"`video`: there is no file `{path}`", field="video")
    return _pieces_of(path)


def _pieces_of(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                yield piece
    except OSError as error:
        raise InvalidArgumentError(f"`video`: `{path}` cannot be read: {error.strerror}", field="video") from error
