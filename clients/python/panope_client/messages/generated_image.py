"""Requests for images that are drawn, from arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypedDict

from panope.v1 import image_service_pb2 as pb
from panope_client.arguments import check_options, request_of, value_of
from panope_client.errors import InvalidResponseError
from panope_client.messages.image import ImageSource, image_message

ImageFormat = Literal["png", "jpeg", "webp"]

_FORMATS: Mapping[str, pb.ImageFormat.ValueType] = {
    "png": pb.IMAGE_FORMAT_PNG,
    "jpeg": pb.IMAGE_FORMAT_JPEG,
    "webp": pb.IMAGE_FORMAT_WEBP,
}


class GenerateImagesOptions(TypedDict, total=False):
    """How to draw; what is left out is the model's own.

    Attributes:
        negative_prompt: what is not to be seen.
        width: in pixels, a multiple of what the model's `diffusion.size_multiple` says.
        height: the same.
        steps: to draw in, at most 250.
        guidance_scale: how closely to keep to the prompt, from 0 to 100.
        strength: how much of `image` may change, above 0 and at most 1.
        seed: of the first image, below 2**63; each that follows has the next number. Any by default.
        count: how many images, at most 10; 1 by default.
        format: of the files; `png` by default.
        quality: of JPEG and WebP files, from 1 to 100; 95 by default.
        image: to begin from: a file as bytes, its path or a `data:` URL.
        mask: what of it is drawn anew: what is white in another image.
    """

    negative_prompt: str | None
    width: int
    height: int
    steps: int
    guidance_scale: float | None
    strength: float | None
    seed: int | None
    count: int | None
    format: ImageFormat | None
    quality: int
    image: ImageSource | None
    mask: ImageSource | None


def generate_images_request(prompt: str, model: str, options: GenerateImagesOptions) -> pb.GenerateImagesRequest:
    """Makes the request to draw images.

    Raises:
        InvalidArgumentError: an argument is unknown or has a wrong value, or a file cannot be read.
    """
    check_options(options, GenerateImagesOptions)
    form, image, mask = options.get("format"), options.get("image"), options.get("mask")
    return request_of(
        pb.GenerateImagesRequest,
        model=model,
        prompt=prompt,
        negative_prompt=options.get("negative_prompt"),
        width=options.get("width", 0),
        height=options.get("height", 0),
        steps=options.get("steps", 0),
        guidance_scale=options.get("guidance_scale"),
        strength=options.get("strength"),
        seed=options.get("seed"),
        count=options.get("count"),
        quality=options.get("quality", 0),
        format=pb.IMAGE_FORMAT_UNSPECIFIED if form is None else value_of(form, _FORMATS, "format"),
        image=None if image is None else image_message(image, "image"),
        mask=None if mask is None else image_message(mask, "mask"),
    )


def checked_images(images: list[pb.GeneratedImage], count: int) -> list[pb.GeneratedImage]:
    """All images of an answer.

    Raises:
        InvalidResponseError: some are missing.
    """
    if len(images) != count:
        raise InvalidResponseError("the stream ended before all images had come")
    return images
