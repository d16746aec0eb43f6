"""What messages of videos have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from panope.v1 import video_service_pb2 as pb
from panope_server.tasks.vision.video_generation import Video, VideoFormat

VIDEO_FORMATS: Mapping[int, VideoFormat] = {
    pb.VIDEO_FORMAT_UNSPECIFIED: "mp4",
    pb.VIDEO_FORMAT_MP4: "mp4",
    pb.VIDEO_FORMAT_WEBM: "webm",
}
"""By the numbers of the messages."""

#: Of one message of a stream.
_PIECE_BYTES = 256 << 10


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
            has_audio=video.has_audio,
        )
