"""What `panope.json` says of a model that reads text: of several graphs, each of which does one step.

A detector says which places lie in lines of text, an orientation classifier which lines stand on their heads, and a
recognizer which characters a line has. What is left out is as in PP-OCR's models of versions 2 to 5, whose parameters
(PaddleOCR, `tools/infer/utility.py`) these are.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from panope_backends.graphs.terms import Channels, DescriptionError, Name, Part, Side, check_divisors, check_texts

#: More than any script has.
_MAX_CHARACTERS = 1 << 17

GRAPHS = ("detector", "orientation", "recognizer")
"""The graphs, by the folders that their files lie in once the model is in the registry."""


class TextGraph(Struct, forbid_unknown_fields=True, kw_only=True):
    """What all graphs of a model say.

    Attributes:
        file: the graph, an ONNX file, by its path from panope.json.
        input: its name; empty for the graph's only one. Its axes are the batch, colours, height, width.
        output: its name; empty for the graph's only one.
        colors: their order.
        mean: of each colour, subtracted from values of 0 to 1.
        std: of each colour, divided by after that.
    """

    file: Name
    input: str = ""
    output: str = ""
    colors: Literal["BGR", "RGB"] = "BGR"
    mean: Channels = msgspec.field(default_factory=lambda: [0.5] * 3)
    std: Channels = msgspec.field(default_factory=lambda: [0.5] * 3)


class TextDetector(TextGraph, kw_only=True):
    """Gives each place the probability that it lies in a line of text, by differentiable binarization (DB).

    Attributes:
        max_side: larger images are scaled down to it, in pixels.
        min_side: of what the graph sees: images whose shorter side is less are scaled up.
        multiple_of: what its sides are made a multiple of.
        threshold: places of a higher probability lie in text.
        dilate: whether those beside them do too, to the right and downwards.
        box_threshold: lines are told whose places have a mean probability of so much.
        expand: the area of a line, divided by its outline, times this is how far it is made larger on all sides, for
            the graph is trained to give the inner part of lines (its `unclip_ratio`).
    """

    max_side: Side = 2000
    min_side: Side = 736
    multiple_of: Annotated[int, Meta(ge=1, le=256)] = 32
    threshold: Part = 0.3
    dilate: bool = True
    box_threshold: Part = 0.5
    expand: Annotated[float, Meta(ge=0, le=10)] = 1.6


class TextOrientation(TextGraph, kw_only=True):
    """Gives each line two values: that it stands upright, and on its head.

    Attributes:
        height: that lines are scaled to.
        width: that shorter lines are filled up to; longer ones are squeezed.
        threshold: lines are turned whose second value is higher.
    """

    height: Annotated[int, Meta(ge=8, le=256)] = 48
    width: Annotated[int, Meta(ge=8, le=1024)] = 192
    threshold: Part = 0.9


class TextRecognizer(TextGraph, kw_only=True):
    """Gives each column of a line a value for each character, and for none (CTC, whose blank is the first).

    Attributes:
        height: that lines are scaled to.
        width: that shorter lines are filled up to.
        max_width: that longer lines are squeezed to.
        characters: in the order of the graph's values, behind the blank; empty for those in the file's metadata, a line
            each, under the key `character`.
        space: whether a space follows behind them.
    """

    height: Annotated[int, Meta(ge=8, le=256)] = 48
    width: Annotated[int, Meta(ge=8, le=4096)] = 320
    max_width: Side = 9600
    characters: Annotated[list[str], Meta(max_length=_MAX_CHARACTERS)] = []
    space: bool = True


class OcrDescription(Struct, forbid_unknown_fields=True):
    """The graphs of a model that reads text.

    Attributes:
        version: of this form.
        task: what the model is for.
        detector: finds lines.
        recognizer: reads them.
        orientation: tells which stand on their heads; absent where none does.
    """

    version: Literal[1]
    task: Literal["ocr"]
    detector: TextDetector
    recognizer: TextRecognizer
    orientation: TextOrientation | None = None

    @property
    def architecture(self) -> str:
        """What stands in the place of a class of a library: how the detector's and the recognizer's values are read."""
        return "db-ctc"

    @property
    def graphs(self) -> dict[str, TextGraph]:
        """Those that there are, by their names in `GRAPHS`."""
        named = {name: getattr(self, name) for name in GRAPHS}
        return {name: graph for name, graph in named.items() if graph is not None}


def check_ocr(found: OcrDescription) -> None:
    """Refuses what does not go together.

    Raises:
        DescriptionError: names the key.
    """
    for name, graph in found.graphs.items():
        path = PurePosixPath(graph.file)
        if path.is_absolute() or ".." in path.parts or path.suffix != ".onnx" or "\\" in graph.file:
            raise DescriptionError(f"`{name}.file` must be the path of an ONNX file from panope.json")
        check_divisors(graph.std, f"{name}.std")
    files = [str(PurePosixPath(graph.file)) for graph in found.graphs.values()]
    if len(set(files)) < len(files):
        raise DescriptionError("`file` must differ from graph to graph")
    if found.detector.min_side > found.detector.max_side:
        raise DescriptionError("`detector.min_side` must not be more than `detector.max_side`")
    if found.recognizer.width > found.recognizer.max_width:
        raise DescriptionError("`recognizer.width` must not be more than `recognizer.max_width`")
    if any(not character for character in found.recognizer.characters):
        raise DescriptionError("`recognizer.characters` must not have empty texts")
    check_texts(found.recognizer.characters, "recognizer.characters")
