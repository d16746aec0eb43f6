"""Images, and requests about them, from arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Literal, TypeAlias, TypedDict

from panope.v1 import classify_service_pb2 as classify_pb
from panope.v1 import depth_service_pb2 as depth_pb
from panope.v1 import detect_service_pb2 as detect_pb
from panope.v1 import embed_service_pb2 as embed_pb
from panope.v1 import image_service_pb2 as image_pb
from panope.v1 import ocr_service_pb2 as ocr_pb
from panope.v1 import segment_service_pb2 as segment_pb
from panope.v1.media_pb2 import BoundingBox, Image
from panope_client.arguments import check_options, iterated, request_of, value_of
from panope_client.errors import InvalidArgumentError
from panope_client.messages.classify import Function, function_of

ImageSource: TypeAlias = bytes | str | PathLike[str]
"""A file as bytes, its path, a `data:` URL, or its URL of https or http, which the server must be set to fetch."""

DocumentSource: TypeAlias = bytes | str | PathLike[str]
"""A file as bytes, its path, or its URL as above."""

_FETCHED = ("https://", "http://")
_URIS = ("data:", *_FETCHED)

Subtask = Literal["semantic", "instance", "panoptic"]
MaskFormat = Literal["png", "run_lengths"]
DepthFormat = Literal["png", "float32"]
OutputFormat = Literal["png", "jpeg"]

_SUBTASKS: Mapping[str, segment_pb.SegmentSubtask.ValueType] = {
    "semantic": segment_pb.SEGMENT_SUBTASK_SEMANTIC,
    "instance": segment_pb.SEGMENT_SUBTASK_INSTANCE,
    "panoptic": segment_pb.SEGMENT_SUBTASK_PANOPTIC,
}
_FORMATS: Mapping[str, segment_pb.MaskFormat.ValueType] = {
    "png": segment_pb.MASK_FORMAT_PNG,
    "run_lengths": segment_pb.MASK_FORMAT_RUN_LENGTHS,
}


_DEPTH_FORMATS: Mapping[str, depth_pb.DepthFormat.ValueType] = {
    "png": depth_pb.DEPTH_FORMAT_PNG,
    "float32": depth_pb.DEPTH_FORMAT_FLOAT32,
}


_OUTPUT_FORMATS: Mapping[str, image_pb.OutputFormat.ValueType] = {
    "png": image_pb.OUTPUT_FORMAT_PNG,
    "jpeg": image_pb.OUTPUT_FORMAT_JPEG,
}


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
        threshold: tells of what has a higher score, 0 to 1; 0.5 by default, 0.1 with labels of the caller's own, 0.3 of
            poses.
        max_detections: how many to tell of each image; default all, up to 1,000.
        candidate_labels: what to look for, for models that look for what texts say.
        boxes: where people stand in the only image, for models that look for their points: left, top, right and bottom
            of each, in pixels; default the whole image.
    """

    threshold: float | None
    max_detections: int | None
    candidate_labels: Sequence[str]
    boxes: Sequence[Sequence[float]]


class RecognizeOptions(TypedDict, total=False):
    """How to read.

    Attributes:
        threshold: tells of lines with this score or a higher one, 0 to 1; 0.5 by default.
        words: whether to tell of the words of each line; default no.
        prompt: of a model that writes token by token, such as Donut: what its answer goes on from; default its own.
        question: about each image, which a model such as Donut's for documents answers in the place of reading.
        max_tokens: of a model that writes token by token: the most that it writes of an image.
    """

    threshold: float | None
    words: bool
    prompt: str | None
    question: str | None
    max_tokens: int | None


class RecognizeDocumentOptions(TypedDict, total=False):
    """How to read a document.

    Attributes:
        threshold: as of `RecognizeOptions`.
        words: as of `RecognizeOptions`.
        pages: which, from 1, such as `1-3,7`; `5-` goes to the last one; default all.
        dpi: in how many pixels of an inch pages are drawn, 36 to 600; 150 by default.
        text_layer: whether a page that holds text itself is told by it, and not read; default no.
    """

    threshold: float | None
    words: bool
    pages: str
    dpi: int | None
    text_layer: bool


class SegmentOptions(TypedDict, total=False):
    """How to divide images.

    Attributes:
        subtask: what segments are; panoptic by default where the model does it, otherwise semantic.
        threshold: tells of segments with a higher score, 0 to 1; 0.9 by default.
        mask_threshold: from which probability on a pixel belongs to a mask; 0.5 by default.
        overlap_mask_area_threshold: leaves out a segment that others cover but for this part; 0.5 by default.
        max_segments: how many to tell of each image; default all, up to 1,000.
        mask_format: how masks are written; PNG files by default.
    """

    subtask: Subtask | None
    threshold: float | None
    mask_threshold: float | None
    overlap_mask_area_threshold: float | None
    max_segments: int | None
    mask_format: MaskFormat | None


class DepthOptions(TypedDict, total=False):
    """How depth is written.

    Attributes:
        depth_format: PNG files of 16 bits by default, from the map's lowest value to its highest.
    """

    depth_format: DepthFormat | None


class UpscaleOptions(TypedDict, total=False):
    """How images that are made are written.

    Attributes:
        output_format: PNG files by default; JPEG has quality 95.
    """

    output_format: OutputFormat | None


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
        boxes=[_box(box, f"boxes[{index}]") for index, box in enumerate(options.get("boxes", ()))],
    )


def _box(sides: Sequence[float], field: str) -> BoundingBox:
    try:
        left, top, right, bottom = map(float, sides)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"`{field}` must be four numbers: left, top, right, bottom", field=field) from error
    return BoundingBox(x_min=left, y_min=top, x_max=right, y_max=bottom)


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


def recognize_request(images: Iterable[ImageSource], model: str, options: RecognizeOptions) -> ocr_pb.RecognizeRequest:
    """Makes the request to read images.

    Raises:
        InvalidArgumentError: as above.
    """
    check_options(options, RecognizeOptions)
    return request_of(
        ocr_pb.RecognizeRequest,
        model=model,
        images=_images(images),
        threshold=options.get("threshold"),
        words=options.get("words", False),
        prompt=options.get("prompt") or "",
        question=options.get("question") or "",
        max_tokens=options.get("max_tokens"),
    )


def recognize_document_request(
    document: DocumentSource, model: str, options: RecognizeDocumentOptions
) -> ocr_pb.RecognizeRequest:
    """Makes the request to read a document.

    Raises:
        InvalidArgumentError: as above.
    """
    check_options(options, RecognizeDocumentOptions)
    return request_of(
        ocr_pb.RecognizeRequest,
        model=model,
        document=request_of(
            ocr_pb.Document,
            content=_file(document, "document"),
            pages=options.get("pages", ""),
            dpi=options.get("dpi") or 0,
            text_layer=options.get("text_layer", False),
        ),
        threshold=options.get("threshold"),
        words=options.get("words", False),
    )


def segment_request(images: Iterable[ImageSource], model: str, options: SegmentOptions) -> segment_pb.SegmentRequest:
    """Makes the request to divide images into segments.

    Raises:
        InvalidArgumentError: as above.
    """
    check_options(options, SegmentOptions)
    subtask, mask_format = options.get("subtask"), options.get("mask_format")
    return request_of(
        segment_pb.SegmentRequest,
        model=model,
        images=_images(images),
        subtask=segment_pb.SEGMENT_SUBTASK_UNSPECIFIED if subtask is None else value_of(subtask, _SUBTASKS, "subtask"),
        threshold=options.get("threshold"),
        mask_threshold=options.get("mask_threshold"),
        overlap_mask_area_threshold=options.get("overlap_mask_area_threshold"),
        max_segments=options.get("max_segments"),
        mask_format=segment_pb.MASK_FORMAT_UNSPECIFIED
        if mask_format is None
        else value_of(mask_format, _FORMATS, "mask_format"),
    )


def depth_request(images: Iterable[ImageSource], model: str, options: DepthOptions) -> depth_pb.EstimateDepthRequest:
    """Makes the request to estimate the depth of images.

    Raises:
        InvalidArgumentError: as above.
    """
    check_options(options, DepthOptions)
    form = options.get("depth_format")
    return request_of(
        depth_pb.EstimateDepthRequest,
        model=model,
        images=_images(images),
        depth_format=depth_pb.DEPTH_FORMAT_UNSPECIFIED
        if form is None
        else value_of(form, _DEPTH_FORMATS, "depth_format"),
    )


def upscale_request(images: Iterable[ImageSource], model: str, options: UpscaleOptions) -> image_pb.UpscaleRequest:
    """Makes the request to make images larger.

    Raises:
        InvalidArgumentError: as above.
    """
    check_options(options, UpscaleOptions)
    form = options.get("output_format")
    return request_of(
        image_pb.UpscaleRequest,
        model=model,
        images=_images(images),
        output_format=image_pb.OUTPUT_FORMAT_UNSPECIFIED
        if form is None
        else value_of(form, _OUTPUT_FORMATS, "output_format"),
    )


def _images(images: Iterable[ImageSource]) -> list[Image]:
    if isinstance(images, bytes | str):
        raise InvalidArgumentError("`images` must be a list of images", field="images")
    return [image_message(image, f"images[{index}]") for index, image in enumerate(iterated(images, "images"))]


def image_message(image: object, field: str) -> Image:
    """An image as messages hold it.

    Raises:
        InvalidArgumentError: it is none, or a file cannot be read.
    """
    if isinstance(image, bytes):
        return Image(content=image)
    if isinstance(image, str) and image.startswith(_URIS):
        return Image(uri=image)
    if not isinstance(image, str | PathLike):
        raise InvalidArgumentError(f"`{field}` must be bytes, a path or a URL", field=field)
    return Image(content=_file(image, field))


def _file(source: object, field: str) -> bytes:
    if isinstance(source, bytes):
        return source
    if not isinstance(source, str | PathLike):
        raise InvalidArgumentError(f"`{field}` must be bytes or a path", field=field)
    try:
        return Path(source).read_bytes()
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise InvalidArgumentError(f"`{field}` names a file that cannot be read: {reason}", field=field) from error
