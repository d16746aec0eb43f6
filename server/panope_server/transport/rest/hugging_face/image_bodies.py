"""Bodies of the Inference API that hold an image: the file itself, or JSON with the file in base64."""

from __future__ import annotations

from google.api.httpbody_pb2 import HttpBody

from panope_backends.errors import InvalidInputError
from panope_server.tasks.vision.images import Image
from panope_server.transport.interceptors.context import Context, metadata_of

BYTES = "application/octet-stream"
_IMAGE = "image/"


def is_image(request: HttpBody, context: Context) -> bool:
    """Whether a body is an image by itself.

    Pages of other sites can send a body without a type unasked, and then browsers tell where from; programs send
    images without a type.
    """
    given: str = request.content_type.partition(";")[0].strip().lower()
    if not given:
        return "origin" not in metadata_of(context)
    return given == BYTES or given.startswith(_IMAGE)


def image_of(request: HttpBody) -> Image:
    """The image that a body is.

    Raises:
        InvalidInputError: it is empty.
    """
    if not request.data:
        raise InvalidInputError("the body is empty; send an image", field="inputs")
    return Image(content=request.data)
