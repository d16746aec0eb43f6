"""Bodies of Hugging Face's routes of audio: the file itself, or JSON with the file in base64."""

from __future__ import annotations

import base64
import binascii

from google.api.httpbody_pb2 import HttpBody

from panope_backends.errors import InvalidInputError
from panope_server.tasks.vision.images import file_url
from panope_server.transport.errors import HTTP_STATUS
from panope_server.transport.rest.json.requests import JSON, UNSUPPORTED_MEDIA_TYPE

#: Pages of other sites cannot send these without asking first.
_FILES = ("audio/", "video/", "application/octet-stream", "application/ogg")

#: Where URLs have their scheme.
_SCHEME_CHARACTERS = 8


def audio_of(body: HttpBody, *, from_page: bool) -> bytes | None:
    """The file that a body is; None for JSON.

    Args:
        body: as it was sent.
        from_page: whether a page sent it: those of other sites can send bodies without a type unasked, while
            Hugging Face's client sends bytes so.

    Raises:
        InvalidInputError: it is of another content type, or empty.
    """
    kind = body.content_type.partition(";")[0].strip().lower()
    if kind.startswith(_FILES) or not (kind or from_page):
        if not body.data:
            raise InvalidInputError("the body is empty; send an audio file", field="inputs")
        return bytes(body.data)
    if kind != JSON:
        raise InvalidInputError(
            f"send the file, with the header `content-type: audio/wav` or of its kind, or `{JSON}`",
            reason="unsupported_content_type",
            details={HTTP_STATUS: str(UNSUPPORTED_MEDIA_TYPE)},
        )
    return None


def audio_in(text: str) -> tuple[bytes, str]:
    """The file of JSON's `inputs`, or none and where it is.

    Raises:
        InvalidInputError: it is no base64, and no URL of https or http.
    """
    if ":" in text[:_SCHEME_CHARACTERS]:
        return b"", file_url(text, "inputs")
    try:
        return base64.b64decode(text, validate=True), ""
    except (binascii.Error, ValueError):
        raise InvalidInputError("`inputs` is no base64", field="inputs") from None
