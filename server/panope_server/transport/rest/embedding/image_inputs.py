"""Images in embedding bodies: objects with `image`, as Jina's clients and those of others after them send them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from panope_server.tasks.vision.images import Image, image_in
from panope_server.transport.rest.embedding.inputs import Input, read_input
from panope_server.transport.rest.json.requests import decoded

#: Before the first object of a list.
_OPENING = 64


class ImageInput(Struct, forbid_unknown_fields=True):
    """An image to embed.

    Attributes:
        image: in base64, as a `data:` URL, or by its URL where the settings `media_urls` allow that.
    """

    image: Annotated[str, Meta(min_length=1)]


INPUTS = (ImageInput, Annotated[list[ImageInput], Meta(min_length=1)])
"""What an input may be beside texts."""

_Inputs = ImageInput | Annotated[list[ImageInput], Meta(min_length=1)]
_INPUTS = msgspec.json.Decoder(_Inputs)


@dataclass(frozen=True)
class Images:
    """What to embed.

    Attributes:
        images: at least one.
        single: whether the caller gave one by itself.
    """

    images: list[Image]
    single: bool


def read_any_input(raw: Raw, field: str) -> Input | Images:
    """Reads the input of a body, texts or images; `field` is its name there.

    Raises:
        InvalidInputError: it is neither, or mixes both.
    """
    opening = bytes(memoryview(raw)[:_OPENING]).replace(b" ", b"").replace(b"\n", b"")
    if not opening.startswith((b"{", b"[{")):
        return read_input(raw, field)
    found = decoded(_INPUTS, raw, _Inputs, field)
    if isinstance(found, ImageInput):
        return Images([image_in(found.image, f"{field}.image")], single=True)
    images = [image_in(each.image, f"{field}[{index}].image") for index, each in enumerate(found)]
    return Images(images, single=False)
