"""The bodies of super-resolution."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from panope_server.tasks.vision.super_resolution import OutputFormat
from panope_server.transport.rest.hugging_face.schemas import CallOptions

Text = Annotated[str, Meta(min_length=1)]


class SuperResolutionParameters(Struct, forbid_unknown_fields=True):
    """How the answer is written.

    Attributes:
        output_format: `png`, or `jpeg` of quality 95. Default: `png`.
    """

    output_format: OutputFormat = "png"


class SuperResolutionBody(Struct, forbid_unknown_fields=True):
    """POST /v1/superres.

    Attributes:
        inputs: An image in base64, as a `data:` URL, or by its URL where the settings `media_urls` allow that.
        model: Absent for the model of the path, or for the only model of the task.
        parameters: How the answer is written.
        options: How to treat the call.
    """

    inputs: Text
    model: Text | None = None
    parameters: SuperResolutionParameters | None = None
    options: CallOptions | None = None
