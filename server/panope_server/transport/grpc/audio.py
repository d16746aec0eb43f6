"""Audio of requests."""

from __future__ import annotations

from typing import NamedTuple

from panope.v1.media_pb2 import Audio
from panope_server.tasks.links import file_url


class SentAudio(NamedTuple):
    """Audio as its caller sent it.

    Attributes:
        content: of the file; empty where it was named.
        url: of the file; empty where it came itself.
    """

    content: bytes
    url: str

    @property
    def field(self) -> str:
        """The field of the request that holds it."""
        return "audio.uri" if self.url else "audio.content"


def sent_audio(audio: Audio) -> SentAudio:
    """The audio of a request.

    Raises:
        InvalidInputError: it is named by a URL that names no file.
    """
    return SentAudio(audio.content, file_url(audio.uri, "audio.uri") if audio.WhichOneof("source") == "uri" else "")
