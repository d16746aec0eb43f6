"""OpenAI's form of an image that is drawn anew."""

from __future__ import annotations

from panope_backends.errors import InvalidInputError
from panope_server.tasks.vision.image_generation import ImageGenerationInput
from panope_server.tasks.vision.images import Image
from panope_server.transport.rest.forms.multipart import Form
from panope_server.transport.rest.forms.texts import read_texts, unknown_field
from panope_server.transport.rest.image_generation.openai_schemas import REFUSED, ImageEditForm, input_of
from panope_server.transport.rest.json.refusals import UNSUPPORTED_FIELD
from panope_server.transport.rest.json.unknown_fields import UnknownFields

_FILES = ("image", "mask")


def read_edit(form: Form, unknown: UnknownFields) -> tuple[ImageGenerationInput, ImageEditForm]:
    """What a form asks for, and the form's texts.

    Raises:
        InvalidInputError: a field is missing, given twice, unknown, refused, or has a wrong value.
    """
    files = _files(form, unknown)
    if "image" not in files:
        raise InvalidInputError("`image` is missing: send it as a file", field="image")
    told = read_texts(
        form, ImageEditForm, lambda name, text: _refuse(name, text, unknown), files=_FILES, given={"image": ""}
    )
    task_input = input_of(told)
    task_input.strength = told.strength
    task_input.image = Image(content=files["image"])
    if "mask" in files:
        task_input.mask, task_input.mask_is_transparency = Image(content=files["mask"]), True
    return task_input, told


def _files(form: Form, unknown: UnknownFields) -> dict[str, bytes]:
    found = {}
    for name, content in form.files.items():
        # Clients that send several images name each so; a form that has two is refused when it is read.
        plain = name.removesuffix("[]")
        if plain in _FILES:
            found[plain] = content
        else:
            _refuse(plain, b"", unknown)
    return found


def _refuse(name: str, value: str | bytes, unknown: UnknownFields) -> None:
    refusal = REFUSED.get(name)
    if refusal is None:
        unknown.add(name, unknown_field(name))
    elif value not in {str(each).lower() for each in refusal.neutral}:
        raise InvalidInputError(f"`{name}` {refusal.reason}", field=name, reason=UNSUPPORTED_FIELD)
