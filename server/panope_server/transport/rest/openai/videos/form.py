"""Reads OpenAI's form of a video."""

from __future__ import annotations

from typing import Any

from panope_backends.errors import InvalidInputError
from panope_server.transport.rest.forms.multipart import Form
from panope_server.transport.rest.forms.texts import read_texts, unknown_field
from panope_server.transport.rest.json.unknown_fields import UnknownFields
from panope_server.transport.rest.openai.videos.schemas import INPUT_REFERENCE, VideoForm

_IMAGE_URL = f"{INPUT_REFERENCE}[image_url]"
"""How forms write a field of an object."""


def read_video_form(form: Form, unknown: UnknownFields) -> tuple[VideoForm, bytes | None]:
    """The texts of a form, and the image that is its file.

    Raises:
        InvalidInputError: a field is missing, given twice, unknown, or has a wrong value.
    """

    def refuse(name: str, _: str) -> None:
        if name != _IMAGE_URL:
            unknown.add(name, unknown_field(name))

    for name in form.files:
        if name != INPUT_REFERENCE:
            refuse(name, "")
    file, urls = form.files.get(INPUT_REFERENCE), form.texts.get(_IMAGE_URL, [])
    if len(urls) + (file is not None) + (INPUT_REFERENCE in form.texts) > 1:
        raise InvalidInputError(f"`{INPUT_REFERENCE}` is given twice", field=INPUT_REFERENCE)
    given: dict[str, Any] = {INPUT_REFERENCE: {"image_url": urls[0]}} if urls else {}
    return read_texts(form, VideoForm, refuse, given=given), file
