"""Bodies of the Inference API that hold an image: the file itself, or JSON with the file in base64."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from google.api.httpbody_pb2 import HttpBody

from panope_backends.errors import InvalidInputError
from panope_server.tasks.vision.images import Image, image_in
from panope_server.transport.interceptors.context import Context, metadata_of
from panope_server.transport.rest.hugging_face.calls import model_of
from panope_server.transport.rest.hugging_face.schemas import CallOptions
from panope_server.transport.rest.json.requests import RequestBody, off_loop
from panope_server.transport.rest.json.unknown_fields import UnknownFields

BYTES = "application/octet-stream"
_IMAGE = "image/"


def is_image(request: HttpBody, context: Context, also: Collection[str] = ()) -> bool:
    """Whether a body is an image by itself, or of a type that is taken beside images.

    Pages of other sites can send a body without a type unasked, and then browsers tell where from; programs send
    images without a type.
    """
    given: str = request.content_type.partition(";")[0].strip().lower()
    if not given:
        return "origin" not in metadata_of(context)
    return given == BYTES or given.startswith(_IMAGE) or given in also


def image_of(request: HttpBody) -> Image:
    """The image that a body is.

    Raises:
        InvalidInputError: it is empty.
    """
    if not request.data:
        raise InvalidInputError("the body is empty; send an image", field="inputs")
    return Image(content=request.data)


class ImageCall(NamedTuple):
    """What a body asks of one image.

    Attributes:
        model: of the body or the path.
        parameters: of the body; None for a body that is an image by itself, or has none.
        options: of the body; None as above.
    """

    model: str
    image: Image
    parameters: Any = None
    options: CallOptions | None = None


async def image_call(
    path_model: str,
    request: HttpBody,
    context: Context,
    body: RequestBody[Any],
    unknown: UnknownFields,
    also: Collection[str] = (),
) -> ImageCall:
    """What a body asks for: an image, or JSON with `inputs`, `parameters` and `options`.

    Args:
        path_model: that the path names; empty for none.
        request: with the body.
        context: of the call.
        body: how JSON is read.
        unknown: fields that are not known.
        also: media types that are taken as images are.

    Raises:
        InvalidInputError: it is neither.
    """
    if is_image(request, context, also):
        return ImageCall(path_model, image_of(request))
    read = await off_loop(len(request.data), body.read, request, unknown)
    return ImageCall(model_of(read.model, path_model), image_in(read.inputs, "inputs"), read.parameters, read.options)
