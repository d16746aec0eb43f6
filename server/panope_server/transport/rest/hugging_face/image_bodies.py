"""Bodies of the Inference API that hold an image: the file itself, or JSON with the file in base64."""

from __future__ import annotations

from google.api.httpbody_pb2 import HttpBody

from panope_backends.errors import InvalidInputError
from panope_server.tasks.vision.images import Image, image_of_base64, image_of_uri
from panope_server.transport.interceptors.context import Context, metadata_of

BYTES = "application/octet-stream"
_IMAGE = "image/"

#: Where URIs have their scheme.
_SCHEME_CHARACTERS = 8


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


def image_in(text: str, field: str) -> Image:
    """The image in a field of JSON: base64, or a `data:` URL.

    Args:
        text: of the field.
        field: its name.

    Raises:
        InvalidInputError: a URL of another kind.
    """
    return image_of_uri(text, field) if ":" in text[:_SCHEME_CHARACTERS] else image_of_base64(text)
