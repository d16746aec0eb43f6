"""The bodies of depth estimation, and what is answered."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from msgspec import Meta, Struct

from panope_server.transport.rest.hugging_face.schemas import CallOptions

Text = Annotated[str, Meta(min_length=1)]


class DepthParameters(Struct, forbid_unknown_fields=True):
    """How depth is written.

    Attributes:
        depth_format: `png` for a file of 16 bits, `float32` for the values themselves, little-endian, row by row; both
            in base64. Default: `png`.
    """

    depth_format: Literal["png", "float32"] = "png"


class DepthBody(Struct, forbid_unknown_fields=True):
    """POST /v1/depth.

    Attributes:
        inputs: An image in base64, as a `data:` URL, or by its URL where the settings `media_urls` allow that.
        model: Absent for the model of the path, or for the only model of the task.
        parameters: How depth is written.
        options: How to treat the call.
    """

    inputs: Text
    model: Text | None = None
    parameters: DepthParameters | None = None
    options: CallOptions | None = None


class DepthJson(TypedDict):
    """The depth of each pixel of an image."""

    width: int
    """Of the image as it is shown, in pixels."""

    height: int

    depth: str | None
    """A PNG file of 16 bits in base64: 0 is `min`, 65,535 is `max`. None where `float32` was asked for."""

    predicted_depth: str | None
    """The values in base64: float32, little-endian, row by row. None where a file was asked for."""

    min: float
    max: float

    unit: Literal["inverse", "metre"] | None
    """`inverse`: of two values the larger is nearer; they have no scale. None where the model's files do not say."""
