"""Images, and requests about them, from arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Literal, TypeAlias, TypedDict

from panope.v1 import classify_service_pb2 as classify_pb
from panope.v1 import detect_service_pb2 as detect_pb
from panope.v1 import embed_service_pb2 as embed_pb
from panope.v1.media_pb2 import Image
from panope_client.arguments import check_options, iterated, request_of, value_of
from panope_client.classify_messages import Function, function_of
from panope_client.errors import InvalidArgumentError

ImageSource: TypeAlias = bytes | str | PathLike[str]
"""A file as bytes, its path, or a `data:` URL."""

_DATA = "data:"


class ClassifyImagesOptions(TypedDict, total=False):
    """How to classify images.

    Attributes:
        candidate_labels: labels of the caller's own, for models that compare images with texts.
        hypothesis_template: what is said of an image, with `{}` in the place of a label.
        function: what makes scores of the model's values; as the model's files say by default.
        top_k: how many labels to tell of each image; default all.
    """

    candidate_labels: Sequence[str]
    hypothesis_template: str | None
    function: Function | None
    top_k: int | None


ImagePooling = Literal["pooler", "cls", "patch_mean"]

_POOLINGS: Mapping[str, embed_pb.ImagePooling.ValueType] = {
    "pooler": embed_pb.IMAGE_POOLING_POOLER,
    "cls": embed_pb.IMAGE_POOLING_CLS,
    "patch_mean": embed_pb.IMAGE_POOLING_PATCH_MEAN,
}


class EmbedImagesOptions(TypedDict, total=False):
    """How to embed images.

    Attributes:
        normalize: whether vectors have length 1; default no.
        dimensions: how many leading values of each vector to keep; default all.
        image_pooling: how what the model gives becomes one vector; default as its `EmbedSpec` says.
    """

    normalize: bool | None
    dimensions: int | None
    image_pooling: ImagePooling | None


class DetectOptions(TypedDict, total=False):
    """How to look for things.

    Attributes:
        threshold: tells of what has a higher score, 0 to 1; 0.5 by default, 0.1 with labels of the caller's own.
        max_detections: how many to tell of each image; default all, up to 1,000.
        candidate_labels: what to look for, for models that look for what texts say.
    """

    threshold: float | None
    max_detections: int | None
    candidate_labels: Sequence[str]


def classify_images_request(
    images: Iterable[ImageSource], model: str, options: ClassifyImagesOptions
) -> classify_pb.ClassifyImagesRequest:
    """Makes the request to classify images.

    Raises:
        InvalidArgumentError: an argument is unknown or has a wrong value, or a file cannot be read.
    """
    check_options(options, ClassifyImagesOptions)
    return request_of(
        classify_pb.ClassifyImagesRequest,
        model=model,
        images=_images(images),
        candidate_labels=options.get("candidate_labels", ()),
        hypothesis_template=options.get("hypothesis_template"),
        function=function_of(options.get("function")),
        top_k=options.get("top_k"),
    )


def detect_request(images: Iterable[ImageSource], model: str, options: DetectOptions) -> detect_pb.DetectRequest:
    """Makes the request to look for things in images.

    Raises:
        InvalidArgumentError: as above.
    """
    check_options(options, DetectOptions)
    return request_of(
        detect_pb.DetectRequest,
        model=model,
        images=_images(images),
        threshold=options.get("threshold"),
        max_detections=options.get("max_detections"),
        candidate_labels=options.get("candidate_labels", ()),
    )


def embed_images_request(
    images: Iterable[ImageSource], model: str, options: EmbedImagesOptions
) -> embed_pb.EmbedRequest:
    """Makes the request to embed images.

    Raises:
        InvalidArgumentError: as above.
    """
    check_options(options, EmbedImagesOptions)
    return request_of(
        embed_pb.EmbedRequest,
        model=model,
        images=_images(images),
        normalize=options.get("normalize"),
        dimensions=options.get("dimensions"),
        image_pooling=_pooling_of(options.get("image_pooling")),
    )


def _pooling_of(word: str | None) -> embed_pb.ImagePooling.ValueType:
    return embed_pb.IMAGE_POOLING_UNSPECIFIED if word is None else value_of(word, _POOLINGS, "image_pooling")


def _images(images: Iterable[ImageSource]) -> list[Image]:
    if isinstance(images, bytes | str):
        raise InvalidArgumentError("`images` must be a list of images", field="images")
    return [_image(image, f"images[{index}]") for index, image in enumerate(iterated(images, "images"))]


def _image(image: object, field: str) -> Image:
    if isinstance(image, bytes):
        return Image(content=image)
    if isinstance(image, str) and image.startswith(_DATA):
        return Image(uri=image)
    if not isinstance(image, str | PathLike):
        raise InvalidArgumentError(f"`{field}` must be bytes, a path or a `data:` URL", field=field)
    try:
        return Image(content=Path(image).read_bytes())
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise InvalidArgumentError(f"`{field}` names a file that cannot be read: {reason}", field=field) from error
