"""Files of audio and of videos in requests, which come themselves or are named."""

from __future__ import annotations

from typing import NamedTuple

from panope.v1.media_pb2 import Audio, Video
from panope_server.tasks.links import file_url


class SentFile(NamedTuple):
    """A file as its caller sent it.

    Attributes:
        content: of it; empty where it was named.
        url: where it is, or what holds it; empty where it came itself.
        field: of the request that holds it.
    """

    content: bytes
    url: str
    field: str


def sent_file(source: Audio | Video, field: str) -> SentFile:
    """The file of a request.

    Args:
        source: of it.
        field: of the request, such as `audio`.

    Raises:
        InvalidInputError: it is named by a URL that names no file.
    """
    if source.WhichOneof("source") == "uri":
        return SentFile(b"", file_url(source.uri, f"{field}.uri"), f"{field}.uri")
    return SentFile(source.content, "", f"{field}.content")
