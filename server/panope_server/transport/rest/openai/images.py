"""Images of OpenAI's bodies."""

from __future__ import annotations

from panope_backends.errors import InvalidInputError
from panope_server.tasks.vision.images import Image, image_of_uri


def image_of(url: str, url_field: str, detail: str | None, detail_field: str) -> Image:
    """The image of a part.

    Args:
        url: what it says of where the image is.
        url_field: which field that is.
        detail: how closely it is to be looked at; None for unsaid.
        detail_field: which field that is.

    Raises:
        InvalidInputError: the image lies elsewhere, or the detail is another than the model's own.
    """
    if detail not in (None, "auto"):
        raise InvalidInputError(
            f"`{detail_field}` must be `auto`: images are read as the model's own processor is set",
            field=detail_field,
            reason="unsupported_field",
        )
    return image_of_uri(url, url_field)
