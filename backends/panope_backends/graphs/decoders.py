"""What the outputs of a graph may mean: one class for each decoder, with the outputs that it reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from panope_backends.graphs.terms import Bounds, Colors, Layout, Name, Part, Points, Stride


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
        landmarks: the output with how far down and right of the upper left corner each point lies, in parts of the box.
        points: what they are; with `landmarks`, or neither.
    """

    heatmap: Name
    sizes: Name
    offsets: Name
    stride: Stride = 4
    overlap: Part = 0.3
    landmarks: Name | None = None
    points: Points = msgspec.field(default_factory=list)


class Keypoints(Struct, forbid_unknown_fields=True, tag_field="decoder", tag="keypoints"):
    """Points of one thing or several, each with two places in parts of the image and a score, as MoveNet has them.

    Attributes:
        points: what they are.
        keypoints: the output; empty for the graph's only one.
        order: of the places: `yx` for down and right, `xy` for right and down.
    """

    points: Annotated[Points, Meta(min_length=1)]
    keypoints: str = ""
    order: Literal["yx", "xy"] = "yx"


class BoxRows(Struct, forbid_unknown_fields=True, tag_field="decoder", tag="boxes"):
    """Boxes that the graph itself chose: a row of left, top, right, bottom, score and the id of the label for each.

    Attributes:
        boxes: the output; empty for the graph's only one.
        places: `pixels` of what the graph sees, or `parts` of it.
    """

    boxes: str = ""
    places: Literal["pixels", "parts"] = "pixels"


class DistributionBoxes(Struct, forbid_unknown_fields=True, tag_field="decoder", tag="distribution-boxes"):
    """Things by the distances of their edges from places of several grids, as PicoDet has them.

    Attributes:
        scores: of each grid, the output with a score from 0 to 1 for each place and label, row by row.
        distances: of each grid, the output with values for how many strides the left, upper, right and lower edge are
            away from the middle of each place: 0, 1, 2 …, as many for each edge.
        strides: of each grid, pixels between two places.
        overlap: as of `CenterPoints`.
    """

    scores: Annotated[list[Name], Meta(min_length=1, max_length=8)]
    distances: Annotated[list[Name], Meta(min_length=1, max_length=8)]
    strides: Annotated[list[Annotated[int, Meta(ge=1, le=512)]], Meta(min_length=1, max_length=8)]
    overlap: Part = 0.5

    @property
    def outputs(self) -> dict[str, str]:
        """The graph's outputs, by the names that they have here."""
        listed = {"scores": self.scores, "distances": self.distances}
        return {f"{kind}[{at}]": name for kind, names in listed.items() for at, name in enumerate(names)}


class Pixels(Struct, forbid_unknown_fields=True, tag_field="decoder", tag="image"):
    """An image, larger than the graph's input by a whole number, or of its size.

    Attributes:
        image: the output, of three colours; empty for the graph's only one.
        scale: how many times as wide and as high it is.
        range: what black and white are.
        layout: of its axes; absent for that of the input, as the next.
        colors: their order.
    """

    scale: Annotated[int, Meta(ge=1, le=16)]
    image: str = ""
    range: Bounds = msgspec.field(default_factory=lambda: [0.0, 1.0])
    layout: Layout | None = None
    colors: Colors | None = None


Decoder = LabelScores | SalientMask | CenterPoints | Keypoints | BoxRows | DistributionBoxes | Pixels

#: Which decoders a task has.
DECODERS: Mapping[str, tuple[type[Decoder], ...]] = {
    "classify": (LabelScores,),
    "segment": (SalientMask,),
    "detect": (CenterPoints, Keypoints, BoxRows, DistributionBoxes),
    "super-resolution": (Pixels,),
}
