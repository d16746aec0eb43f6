"""Bodies of the classifying routes that hold a video: the file itself, or JSON with it in base64 or by its URL."""

from __future__ import annotations

import base64
import binascii

from google.api.httpbody_pb2 import HttpBody

from panope_backends.errors import InvalidInputError
from panope_server.tasks.links import SCHEME_CHARACTERS, file_url
from panope_server.tasks.vision.classify_video import ClassifyVideoInput

_VIDEO = "video/"


def is_video(request: HttpBody) -> bool:
    """Whether a body is a video by itself; pages of other sites cannot send this type without asking first."""
    given: str = request.content_type.strip().lower()
    return given.startswith(_VIDEO)


def video_of(request: HttpBody) -> ClassifyVideoInput:
    """The video that a body is.

    Raises:
        InvalidInputError: it is empty.
    """
    if not request.data:
        raise InvalidInputError("the body is empty; send a video", field="inputs")
    return ClassifyVideoInput(bytes(request.data))


def video_in(text: str) -> ClassifyVideoInput:
    """The video of JSON's `inputs`.

    Raises:
        InvalidInputError: it is neither a URL nor base64.
    """
    if ":" in text[:SCHEME_CHARACTERS]:
        return ClassifyVideoInput(b"", url=file_url(text, "inputs"))
    try:
        return ClassifyVideoInput(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        raise InvalidInputError("`inputs` is no base64", field="inputs") from None
