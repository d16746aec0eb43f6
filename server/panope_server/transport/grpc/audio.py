"""Audio of requests."""

from __future__ import annotations

from panope.v1.media_pb2 import Audio
from panope_server.tasks.vision.images import file_url


def audio_url(audio: Audio) -> str:
    """Where audio is; empty where it came itself.

    Raises:
        InvalidInputError: it is of another scheme than `http` and `https`.
    """
    return file_url(audio.uri, "audio.uri") if audio.WhichOneof("source") == "uri" else ""
