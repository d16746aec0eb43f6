"""What `panope.json` says: which task a graph is for, how images become its input, and what its outputs mean.

Models of transformers and its kin say so themselves. Whoever brings another graph writes this file beside it; a key
that is not known is refused by its name, so that nothing is passed over that might change an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from panope_backends.graphs.ocr_description import OcrDescription, check_ocr
from panope_backends.graphs.terms import (
    Bounds,
    Channels,
    DescriptionError,
    Labels,
    Name,
    Part,
    Side,
    check_divisors,
    check_texts,
)


class ImageInput(Struct, forbid_unknown_fields=True):
    """How an image becomes the graph's input: scaled, its values brought to a range, and normalised.

    Attributes:
        name: of the input; empty for the graph's only one.
        height: of what the graph sees, in pixels; with `width`, or neither.
        width: the same.
        multiple_of: without height and width: the image keeps its size, but for sides that are made multiples of this.
        max_side: without height and width: larger images are scaled down to it.
        resize: with height and width: `stretch` to them, or `crop` from the middle.
        crop_from: for `crop`: the shorter side that the image is scaled to before; absent for the size that is cropped.
        interpolation: of scaling.
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
    max_side: Side = 1280
    resize: Literal["stretch", "crop"] = "stretch"
    crop_from: Side | None = None
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"] = "bilinear"
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    colors: Literal["RGB", "BGR"] = "RGB"
    range: Bounds = msgspec.field(default_factory=lambda: [0.0, 1.0])
    stretch_to_max: bool = False
    mean: Channels = msgspec.field(default_factory=lambda: [0.0] * 3)
    std: Channels = msgspec.field(default_factory=lambda: [1.0] * 3)


class LabelScores(Struct, forbid_unknown_fields=True, tag_field="decoder", tag="labels"):
    """A value for each label.

    Attributes:
        logits: the output, of a value for each label; empty for the graph's only one.
        function: what makes scores of the values.
    """

    logits: str = ""
    function: Literal["softmax", "sigmoid", "none"] = "softmax"


class SalientMask(Struct, forbid_unknown_fields=True, tag_field="decoder", tag="salient-mask"):
    """A value for each place: how much it belongs to what the image is of.

    Attributes:
        mask: the output, of one channel.
        scale: `min-max` where an image's lowest and highest values mean 0 and 1; `none` where values are 0 to 1.
    """

    mask: Name
    scale: Literal["min-max", "none"] = "min-max"


class CenterPoints(Struct, forbid_unknown_fields=True, tag_field="decoder", tag="center-points"):
    """Things by their middles, as CenterFace has them.

    Attributes:
        heatmap: the output with a score for each label and place.
        sizes: the output with the logarithms of height and width, in strides.
        offsets: the output with how far the middle lies from its place, downwards and to the right, in strides.
        stride: pixels between two places.
        overlap: of two boxes of a label that share more than this part of both, the higher score is told.
    """

    heatmap: Name
    sizes: Name
    offsets: Name
    stride: Annotated[int, Meta(ge=1, le=64)] = 4
    overlap: Part = 0.3


Decoder = LabelScores | SalientMask | CenterPoints

#: Which decoders a task has.
DECODERS: Mapping[str, type[Decoder]] = {"classify": LabelScores, "segment": SalientMask, "detect": CenterPoints}


class Description(Struct, forbid_unknown_fields=True):
    """A graph of images.

    Attributes:
        version: of this form.
        task: what the model is for.
        input: how images become its input.
        output: what its outputs mean.
        labels: by their ids.
    """

    version: Literal[1]
    task: Literal["classify", "detect", "segment"]
    input: ImageInput
    output: Decoder
    labels: Labels

    @property
    def architecture(self) -> str:
        """What stands in the place of a class of a library: the decoder's name."""
        return str(self.output.__struct_config__.tag)


AnyDescription = Description | OcrDescription


def read_description(content: object) -> AnyDescription:
    """The description in a parsed file: of one graph, or of the graphs that read text.

    Raises:
        DescriptionError: a key is unknown, missing or of another type, or two do not go together; the text names it.
    """
    is_ocr = isinstance(content, Mapping) and content.get("task") == "ocr"
    try:
        found = msgspec.convert(content, OcrDescription) if is_ocr else msgspec.convert(content, Description)
    except msgspec.ValidationError as error:
        raise DescriptionError(str(error).replace("`$.", "`")) from None
    if isinstance(found, OcrDescription):
        check_ocr(found)
        return found
    _check(found)
    check_texts(found.labels, "labels")
    return found


def _check(found: Description) -> None:
    if not isinstance(found.output, DECODERS[found.task]):
        tag = DECODERS[found.task].__struct_config__.tag
        raise DescriptionError(f"`output.decoder` of the task `{found.task}` must be `{tag}`")
    given = found.input
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
    if given.resize == "crop" and found.task != "classify":
        raise DescriptionError(f"`input.resize` `crop` leaves out what the task `{found.task}` tells of")
    if given.range[0] == given.range[1]:
        raise DescriptionError("`input.range` must hold two values that differ")
    check_divisors(given.std, "input.std")
    if isinstance(found.output, SalientMask) and len(found.labels) != 1:
        raise DescriptionError("`labels` must have one label for a mask of one channel")
