"""A graph that makes the frame between two, such as RIFE's and FILM's, as `panope.json` describes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.api import Arrays, TensorModel
from panope_backends.errors import InternalError, InvalidInputError, PreconditionError
from panope_backends.graphs.frame_description import FrameDescription
from panope_backends.graphs.terms import FILE
from panope_backends.media.video_reader import Pixels

_LARGEST = 255
_COLOURS = 3

#: Of the frames of the trial: odd, so that what is filled up is cut off again.
_TRIAL_SIDES = 37, 50

HALF = Fraction(1, 2)


class FramesBetween:
    """Runs one graph.

    Args:
        model: the graph.
        described: how.

    Attributes:
        takes_timestep: whether it makes any frame between two, or the one in the middle alone.

    Raises:
        PreconditionError: its inputs and outputs are not those that are described.
    """

    def __init__(self, model: TensorModel, described: FrameDescription) -> None:
        self._model = model
        self._given, self._made = described.input, described.output
        self.takes_timestep = self._given.takes_timestep
        self._types = {spec.name: np.dtype(spec.dtype) for spec in model.inputs}
        self._ranks = {spec.name: max(1, len(spec.shape)) for spec in model.inputs}
        names = [self._given.first, self._given.second, self._given.frames, self._given.timestep]
        described_names = {name for name in names if name}
        if described_names != set(self._types):
            told = ", ".join(sorted(described_names))
            raise PreconditionError(
                f"{FILE} describes the inputs {told}; the graph takes {', '.join(self._types)[:200]}"
            )
        self._output = self._output_name()
        low, high = self._given.range
        mean, std = (np.array(each, np.float32) for each in (self._given.mean, self._given.std))
        self._scale = (high - low) / _LARGEST / std
        self._shift = (low - mean) / std

    def check_size(self, height: int, width: int, field: str) -> None:
        """Refuses frames that the graph cannot see whole.

        Raises:
            InvalidInputError: they are larger than what a graph of a fixed size takes.
        """
        most_height, most_width = self._given.height or height, self._given.width or width
        if height > most_height or width > most_width:
            raise InvalidInputError.at(
                field,
                "{field} has frames of {width:,} × {height:,} pixels; the model takes at most"
                " {most_width:,} × {most_height:,}",
                width=width,
                height=height,
                most_width=most_width,
                most_height=most_height,
            )

    def between(self, first: Pixels, second: Pixels, part: Fraction = HALF) -> Pixels:
        """The frame between two of one size.

        Args:
            first: the earlier one.
            second: the later one.
            part: how far from the one to the other it is; a half for a graph that is not told.

        Raises:
            InternalError: the graph gave no such frame.
        """
        height, width = first.shape[:2]
        given = self._model.run(self._arrays(first, second, part), (self._output,))[self._output]
        values = self._values(given)
        if values.shape[0] < height or values.shape[1] < width:
            raise InternalError("the model gave a frame that is smaller than those that it is between")
        return self._pixels(values[:height, :width])

    def trial(self) -> None:
        """Makes a frame, so that a model that cannot is never called ready.

        Raises:
            PreconditionError: it gives something else than a frame of the size of its input.
        """
        height, width = (min(side, most or side) for side, most in zip(_TRIAL_SIDES, self._sides, strict=True))
        first, second = (np.full((height, width, _COLOURS), value, np.uint8) for value in (64, 192))
        arrays = self._arrays(first, second, HALF)
        self._check_shapes(arrays)
        seen = arrays[self._given.first or self._given.frames].shape
        sides = seen[2:] if self._given.layout == "NCHW" else seen[1:3]
        made = self._model.run(arrays, (self._output,))[self._output]
        values = self._values(made)
        if values.shape != (*sides, _COLOURS):
            raise PreconditionError(
                f"{FILE} says that the output is a frame of the input's size; the graph makes"
                f" {_told(made.shape)} of {_told(seen)}"
            )
        self._pixels(values)

    def _check_shapes(self, arrays: Arrays) -> None:
        for spec in self._model.inputs:
            made = arrays[spec.name].shape
            if spec.shape and not (
                len(spec.shape) == len(made) and all(to in (-1, of) for of, to in zip(made, spec.shape, strict=True))
            ):
                raise PreconditionError(
                    f"{FILE} makes `{spec.name}` of {_told(made)}; the graph takes {_told(spec.shape)}"
                )

    @property
    def _sides(self) -> tuple[int, int]:
        """What the graph sees; 0 for any."""
        return self._given.height or 0, self._given.width or 0

    def _arrays(self, first: Pixels, second: Pixels, part: Fraction) -> Arrays:
        given = self._given
        frames = [self._filled(pixels) for pixels in (first, second)]
        plane = np.full((*frames[0].shape[:2], 1), float(part), np.float32)
        made: dict[str, NDArray[Any]] = {}
        if given.frames:
            more = [plane] if given.timestep_form == "channel" else []
            made[given.frames] = self._laid_out(np.concatenate([*frames, *more], axis=2))
        else:
            made[given.first], made[given.second] = (self._laid_out(values) for values in frames)
        if given.timestep:
            made[given.timestep] = (
                self._laid_out(plane)
                if given.timestep_form == "plane"
                else np.full((1,) * self._ranks[given.timestep], float(part), np.float32)
            )
        return {name: np.ascontiguousarray(values, self._types[name]) for name, values in made.items()}

    def _filled(self, pixels: Pixels) -> NDArray[np.float32]:
        """The values of a frame: what is missing to the graph's size is mirrored behind it."""
        unit = self._given.multiple_of or 1
        missing = [
            (0, (wanted or -(-side // unit) * unit) - side)
            for side, wanted in zip(pixels.shape[:2], self._sides, strict=True)
        ]
        filled = np.pad(pixels, [*missing, (0, 0)], mode="symmetric")
        ordered = filled[:, :, ::-1] if self._given.colors == "BGR" else filled
        values: NDArray[np.float32] = (ordered * self._scale + self._shift).astype(np.float32)
        return values

    def _laid_out(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        return (values.transpose(2, 0, 1) if self._given.layout == "NCHW" else values)[None]

    def _values(self, given: NDArray[Any]) -> NDArray[Any]:
        """What the graph gave, as height × width × colours where it is a frame."""
        row = given[0] if given.ndim == 4 else given
        layout = self._made.layout or self._given.layout
        return row.transpose(1, 2, 0) if layout == "NCHW" and row.ndim == _COLOURS else row

    def _pixels(self, values: NDArray[Any]) -> Pixels:
        if not np.isfinite(values).all():
            raise InternalError("the model gives values that are no numbers")
        low, high = self._made.range
        scaled = (values.astype(np.float32) - low) * (_LARGEST / (high - low))
        found = np.rint(np.clip(scaled, 0, _LARGEST)).astype(np.uint8)
        colors = self._made.colors or self._given.colors
        return np.ascontiguousarray(found[:, :, ::-1] if colors == "BGR" else found)

    def _output_name(self) -> str:
        known: Mapping[str, Any] = {spec.name: spec for spec in self._model.outputs}
        wanted = self._made.image or (next(iter(known)) if len(known) == 1 else "")
        if wanted not in known:
            named = f"names the output `{wanted}`" if wanted else "names no output"
            raise PreconditionError(f"{FILE} {named}, and the graph gives {', '.join(known)[:200]}")
        return wanted


def _told(shape: Sequence[int]) -> str:
    return " × ".join("any" if length == -1 else str(length) for length in shape)
