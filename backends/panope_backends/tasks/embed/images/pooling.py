"""What a model of images gives for one of them, as one vector."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.api import Arrays
from panope_backends.errors import InvalidInputError, PreconditionError

Vector = NDArray[np.float32]

PIXELS = "pixel_values"
_HIDDEN, _POOLED, _PROJECTED = "last_hidden_state", "pooler_output", "image_embeds"

OUTPUTS = (_PROJECTED, _HIDDEN, _POOLED)
"""Those of a graph that are looked at."""

PROJECTION = "projection"
"""Of models that give the vector themselves, in the space of texts."""


class ImagePooling:
    """The ways in which one model's outputs become a vector, found by what it gives for a sample.

    pooler      what the model itself makes of its tokens (`pooler_output`)
    cls         the token that stands before those of patches
    patch_mean  the mean of the tokens of patches; of all, where none stands before them
    projection  the vector that the model gives, in the space of texts

    Args:
        config: the model's config.json.
        given: what it gives for a sample, without the batch's axis.
        pixels: the sample's: channels, height, width.
        steps: what is done to the vectors that the model gives itself, several at a time.

    Attributes:
        modes: those that the model has; the first is the default.
        dimensions: of the vectors of each.

    Raises:
        PreconditionError: none of its outputs is known to hold vectors of images.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        given: Arrays,
        pixels: tuple[int, ...],
        steps: Sequence[Callable[[Vector], Vector]] = (),
    ) -> None:
        self._before = 0
        self._steps = steps
        self.modes = self._modes(config, given, pixels)
        self.dimensions = {mode: len(self.vector(given, mode)) for mode in self.modes}

    def _modes(self, config: Mapping[str, Any], given: Arrays, pixels: tuple[int, ...]) -> tuple[str, ...]:
        if _PROJECTED in given:
            return (PROJECTION,)
        if _HIDDEN not in given:
            raise PreconditionError(f"the graph gives {', '.join(given)[:200]}, and not `{_HIDDEN}`")
        if len(pixels) < len(("channels", "height", "width")) and _POOLED in given:
            return ("pooler",)  # of patches, behind which are some that stand for nothing
        self._before = max(0, len(_tokens(given)) - _patches(config, pixels)) if _patches(config, pixels) else 0
        has = {"pooler": _POOLED in given, "cls": self._before > 0, "patch_mean": True}
        return tuple(mode for mode, there in has.items() if there)

    @property
    def choices(self) -> tuple[str, ...]:
        """The modes that a request may ask for."""
        return () if self.modes == (PROJECTION,) else self.modes

    def mode_of(self, wanted: str) -> str:
        """The mode that a request names, or the default.

        Raises:
            InvalidInputError: the model has no such mode.
        """
        if not wanted:
            return self.modes[0]
        if wanted not in self.modes:
            raise InvalidInputError.at(
                "image_pooling",
                "{field} is `{value}`; the model has {known}",
                value=wanted,
                known=", ".join(f"`{mode}`" for mode in self.modes),
            )
        return wanted

    def vector(self, given: Arrays, mode: str) -> Vector:
        """One image's."""
        if mode == PROJECTION:
            return self._projected(given[_PROJECTED].astype(np.float32, copy=False))
        if mode == "pooler":
            vector = given[_POOLED].reshape(-1)
        elif mode == "cls":
            vector = given[_HIDDEN][0]
        else:
            vector = _tokens(given)[self._before :].mean(axis=0, dtype=np.float32)
        return vector.astype(np.float32, copy=False)

    def _projected(self, vector: Vector) -> Vector:
        for step in self._steps:
            vector = step(vector[None])[0]
        return vector


def _tokens(given: Arrays) -> NDArray[Any]:
    """Tokens × values; exporters leave the map of a convolution as it is, values × height × width."""
    hidden = given[_HIDDEN]
    return hidden.reshape(len(hidden), -1).T if hidden.ndim > 2 else hidden


def _patches(config: Mapping[str, Any], pixels: tuple[int, ...]) -> int:
    """The tokens that stand for patches of an image, where each is one; 0 where the configuration does not tell."""
    size = config.get("patch_size")
    sides = [side for side in (size if isinstance(size, list) else [size, size]) if isinstance(side, int) and side > 0]
    return (pixels[-2] // sides[0]) * (pixels[-1] // sides[1]) if len(sides) == 2 else 0
