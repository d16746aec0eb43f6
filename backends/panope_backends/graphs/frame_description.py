"""What `panope.json` says of a graph that makes the frame between two: its inputs, and how frames become them."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from panope_backends.graphs.terms import Bounds, Channels, Colors, DescriptionError, Layout, Side, check_divisors


class FrameInputs(Struct, forbid_unknown_fields=True):
    """The graph's inputs, and how frames become them.

    Attributes:
        first: the earlier frame; with `second`, or neither.
        second: the later one.
        frames: both in one input, the later one's colours behind the earlier one's; in their place.
        timestep: how far from the earlier frame to the later one the wanted frame is, from 0 to 1; empty for a graph
            that makes the frame in the middle.
        timestep_form: what it is given as: a `value`; a `plane` of the frames' size, of one channel; or a `channel`
            of `frames`, behind the colours, without an input of its own.
        height: of what the graph sees, in pixels; with `width`, or neither. Smaller frames are filled up to it.
        width: the same.
        multiple_of: without height and width: what sides are filled up to multiples of.
        layout: of the axes.
        colors: their order.
        range: what the values 0 and 255 become.
        mean: of each colour, subtracted in that range.
        std: of each colour, divided by after that.
    """

    first: str = ""
    second: str = ""
    frames: str = ""
    timestep: str = ""
    timestep_form: Literal["value", "plane", "channel"] = "value"
    height: Side | None = None
    width: Side | None = None
    multiple_of: Side | None = None
    layout: Layout = "NCHW"
    colors: Colors = "RGB"
    range: Bounds = msgspec.field(default_factory=lambda: [0.0, 1.0])
    mean: Channels = msgspec.field(default_factory=lambda: [0.0] * 3)
    std: Channels = msgspec.field(default_factory=lambda: [1.0] * 3)

    @property
    def takes_timestep(self) -> bool:
        """Whether the graph is told where between the two frames to look."""
        return bool(self.timestep) or self.timestep_form == "channel"


class FrameOutput(Struct, forbid_unknown_fields=True):
    """The frame that the graph gives, of the size of its input.

    Attributes:
        decoder: always `frame-between`.
        image: the output, of three colours; empty for the graph's only one.
        range: what black and white are.
        layout: of its axes; absent for that of the input, as the next.
        colors: their order.
    """

    decoder: Literal["frame-between"]
    image: str = ""
    range: Bounds = msgspec.field(default_factory=lambda: [0.0, 1.0])
    layout: Layout | None = None
    colors: Colors | None = None


class FrameDescription(Struct, forbid_unknown_fields=True):
    """A graph that makes the frame between two.

    Attributes:
        version: of this form.
        task: always `frame-interpolation`.
        input: how frames become its inputs.
        output: what it gives.
    """

    version: Literal[1]
    task: Literal["frame-interpolation"]
    input: FrameInputs
    output: FrameOutput

    @property
    def architecture(self) -> str:
        """What stands in the place of a class of a library: the decoder's name."""
        return self.output.decoder


def check_frames(found: FrameDescription) -> None:
    """Refuses what does not go together.

    Raises:
        DescriptionError: names the key.
    """
    given = found.input
    if bool(given.first) != bool(given.second):
        raise DescriptionError("`input.first` and `input.second` go together")
    if bool(given.first) == bool(given.frames):
        raise DescriptionError("`input` must name either `first` and `second`, or `frames`")
    names = [name for name in (given.first, given.second, given.frames, given.timestep) if name]
    if len(set(names)) != len(names):
        raise DescriptionError("`input` names one input twice")
    if given.timestep_form == "channel" and (given.timestep or not given.frames):
        raise DescriptionError("`input.timestep_form` `channel` goes with `input.frames`, and without `input.timestep`")
    if given.timestep_form == "plane" and not given.timestep:
        raise DescriptionError("`input.timestep_form` `plane` needs `input.timestep`")
    if (given.height is None) != (given.width is None):
        raise DescriptionError("`input.height` and `input.width` go together")
    if given.height is not None and given.multiple_of is not None:
        raise DescriptionError("`input.multiple_of` is for graphs that take any size, without `height` and `width`")
    for name, bounds in (("input.range", given.range), ("output.range", found.output.range)):
        if bounds[0] == bounds[1]:
            raise DescriptionError(f"`{name}` must hold two values that differ")
    check_divisors(given.std, "input.std")
