"""Videos of requests."""

from __future__ import annotations

from typing import NamedTuple

from panope.v1.media_pb2 import Video
from panope_server.tasks.links import file_url


class SentVideo(NamedTuple):
    """A video as its caller sent it.

    Attributes:
        content: of the file; empty where it was named.
        url: of the file; empty where it came itself.
    """

    content: bytes
    url: str

    @property
    def field(self) -> str:
        """The field of the request that holds it."""
        return "video.uri" if self.url else "video.content"


def sent_video(video: Video) -> SentVideo:
    """The video of a request.

    Raises:
        InvalidInputError: it is named by a URL that names no file.
    """
    return SentVideo(video.content, file_url(video.uri, "video.uri") if video.WhichOneof("source") == "uri" else "")
