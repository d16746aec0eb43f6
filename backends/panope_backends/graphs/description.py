"""What `panope.json` says: which task a graph is for, how images become its input, and what its outputs mean.

Models of transformers and its kin say so themselves. Whoever brings another graph writes this file beside it; a key
that is not known is refused by its name, so that nothing is passed over that might change an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import Struct

from panope_backends.graphs.decoders import (
    DECODERS,
    BoxRows,
    CenterPoints,
    Decoder,
    DistributionBoxes,
    Keypoints,
    Pixels,
    SalientMask,
)
from panope_backends.graphs.frame_description import FrameDescription, check_frames
from panope_backends.graphs.ocr_description import OcrDescription, check_ocr
from panope_backends.graphs.terms import (
    Bounds,
    Channels,
    Colors,
    DescriptionError,
    Labels,
    Layout,
    Side,
    check_divisors,
    check_texts,
)
from panope_backends.graphs.voice_description import VoiceDescription, check_voice


class ImageInput(Struct, forbid_unknown_fields=True):
    """How an image becomes the graph's input: scaled, its values brought to a range, and normalised.

    Attributes:
        name: of the input; empty for the graph's only one.
        height: of what the graph sees, in pixels; with `width`, or neither.
        width: the same.
        multiple_of: without height and width: the image keeps its size, but for sides that are made multiples of this.
        max_side: without height and width: larger images are scaled down to it, or cut into tiles of it for a task that
            makes images; absent for 1280, and for tiles of 384.
        resize: with height and width: `stretch` to them, or `crop` from the middle.
        crop_from: for `crop`: the shorter side that the image is scaled to before; absent for the size that is cropped.
        interpolation: of scaling.
        antialias: whether images that are made smaller are smoothed, as Pillow and transformers do it; OpenCV does not.
        layout: of the axes: N is the batch, C the colours.
        colors: their order.
        range: what the values 0 and 255 become.
        stretch_to_max: whether an image's own largest value counts as 255.
        mean: of each colour, subtracted in that range.
        std: of each colour, divided by after that.
    """

    name: str = ""
    height: Side | None = None
    width: Side | None = None
    multiple_of: Side | None = None
    max_side: Side | None = None
    resize: Literal["stretch", "crop"] = "stretch"
    crop_from: Side | None = None
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"] = "bilinear"
    antialias: bool = True
    layout: Layout = "NCHW"
    colors: Colors = "RGB"
    range: Bounds = msgspec.field(default_factory=lambda: [0.0, 1.0])
    stretch_to_max: bool = False
    mean: Channels = msgspec.field(default_factory=lambda: [0.0] * 3)
    std: Channels = msgspec.field(default_factory=lambda: [1.0] * 3)


class Description(Struct, forbid_unknown_fields=True):
    """A graph of images.

    Attributes:
        version: of this form.
        task: what the model is for.
        input: how images become its input.
        output: what its outputs mean.
        labels: by their ids; none for a task that tells of none.
    """

    version: Literal[1]
    task: Literal["classify", "detect", "segment", "super-resolution"]
    input: ImageInput
    output: Decoder
    labels: Labels = msgspec.field(default_factory=list)

    @property
    def architecture(self) -> str:
        """What stands in the place of a class of a library: the decoder's name."""
        return str(self.output.__struct_config__.tag)


AnyDescription = Description | FrameDescription | OcrDescription | VoiceDescription

#: Tasks whose descriptions have forms of their own; the others are of one graph of images.
_FORMS: Mapping[str, type[AnyDescription]] = {
    "frame-interpolation": FrameDescription,
    "ocr": OcrDescription,
    "speak": VoiceDescription,
}


def read_description(content: object) -> AnyDescription:
    """The description in a parsed file: of a graph of images or frames, of the graphs that read text, or of a voice.

    Raises:
        DescriptionError: a key is unknown, missing or of another type, or two do not go together; the text names it.
    """
    task = content.get("task") if isinstance(content, Mapping) else None
    form = _FORMS.get(task, Description) if isinstance(task, str) else Description
    try:
        found = msgspec.convert(content, form)
    except msgspec.ValidationError as error:
        raise DescriptionError(str(error).replace("`$.", "`")) from None
    if isinstance(found, OcrDescription):
        check_ocr(found)
        return found
    if isinstance(found, VoiceDescription):
        check_voice(found)
        return found
    if isinstance(found, FrameDescription):
        check_frames(found)
        return found
    _check(found)
    check_texts(found.labels, "labels")
    return found


def _check(found: Description) -> None:
    if not isinstance(found.output, DECODERS[found.task]):
        tags = ", ".join(f"`{each.__struct_config__.tag}`" for each in DECODERS[found.task])
        raise DescriptionError(f"`output.decoder` of the task `{found.task}` must be {tags}")
    if bool(found.labels) is isinstance(found.output, Pixels):
        rule = "must be left out" if found.labels else "must name at least one"
        raise DescriptionError(f"`labels` {rule} for the task `{found.task}`")
    if isinstance(found.output, Pixels):
        _check_pixels(found.input, found.output)
    if isinstance(found.output, SalientMask) and len(found.labels) != 1:
        raise DescriptionError("`labels` must have one label for a mask of one channel")
    if isinstance(found.output, Keypoints) and len(found.labels) != 1:
        raise DescriptionError("`labels` must have one label for things that are known by their points")
    if isinstance(found.output, CenterPoints) and (found.output.landmarks is None) is not (not found.output.points):
        raise DescriptionError("`output.landmarks` and `output.points` go together")
    if isinstance(found.output, BoxRows) and found.output.places == "pixels" and found.input.height is None:
        raise DescriptionError("`output.places` `pixels` needs `input.height` and `input.width`")
    if isinstance(found.output, DistributionBoxes):
        _check_boxes(found.input, found.output)
    _check_input(found.input, found.task)


def _check_input(given: ImageInput, task: str) -> None:
    if (given.height is None) != (given.width is None):
        raise DescriptionError("`input.height` and `input.width` go together")
    if given.height is not None and given.multiple_of is not None:
        raise DescriptionError("`input.multiple_of` is for graphs that take any size, without `height` and `width`")
    if given.height is None and (given.resize != "stretch" or given.crop_from is not None):
        raise DescriptionError("`input.resize` and `input.crop_from` need `input.height` and `input.width`")
    if given.crop_from is not None and given.resize != "crop":
        raise DescriptionError("`input.crop_from` goes with `input.resize` `crop` alone")
    if given.crop_from is not None and given.crop_from < max(given.height or 0, given.width or 0):
        raise DescriptionError("`input.crop_from` must not be less than what is cropped")
    if given.resize == "crop" and task != "classify":
        raise DescriptionError(f"`input.resize` `crop` leaves out what the task `{task}` tells of")
    if given.interpolation == "lanczos" and not given.antialias:
        raise DescriptionError("`input.antialias` must be true for `input.interpolation` `lanczos`")
    if given.range[0] == given.range[1]:
        raise DescriptionError("`input.range` must hold two values that differ")
    check_divisors(given.std, "input.std")


def _check_boxes(given: ImageInput, output: DistributionBoxes) -> None:
    if given.height is None:
        raise DescriptionError("`input.height` and `input.width` are needed by the decoder `distribution-boxes`")
    if not len(output.scores) == len(output.distances) == len(output.strides):
        raise DescriptionError("`output.scores`, `output.distances` and `output.strides` must be one for each grid")


def _check_pixels(given: ImageInput, output: Pixels) -> None:
    """Images that are made keep the size of what they are made of, so none is scaled before."""
    for name, usual in (
        ("interpolation", "bilinear"),
        ("antialias", True),
        ("stretch_to_max", False),
        ("resize", "stretch"),
    ):
        if getattr(given, name) != usual:
            raise DescriptionError(f"`input.{name}` is for tasks that scale images, and this one does not")
    if output.range[0] == output.range[1]:
        raise DescriptionError("`output.range` must hold two values that differ")
