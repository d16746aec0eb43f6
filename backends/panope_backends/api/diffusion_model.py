"""Models that draw: a text, and perhaps an image, to images or the frames of a video, by one step after another.

Threads. `begin` and a run's `step` are called from one thread at a time; runs of one model take turns, a step each, so
that a run keeps what it needs between its steps to itself. `DiffusionRun.close` may come from any thread, at any time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from panope_backends.api.loaded_model import LoadedModel

if TYPE_CHECKING:
    import numpy as np  # the registry uses these types too, and commands that look at models start without NumPy
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffusionRequest:
    """What to draw; the fields that a model does not honour are not set.

    Attributes:
        prompt: what is to be seen.
        negative_prompt: what is not; None for the model's own default.
        width: in pixels, a multiple of `DiffusionFacts.multiple`.
        height: the same.
        steps: of denoising, at least 1.
        guidance_scale: how closely to keep to the prompt; None for the model's own default.
        seed: of the noise that is begun with, from 0 to 2**63 - 1. The same on all devices.
        image: to begin from: uint8, height × width × 3, in RGB; None for none. Of a video it may be of another size,
            and the model scales it.
        mask: what of the image to draw anew, 255 there and 0 elsewhere: uint8, height × width; None for all of it.
        strength: how much of the image may change, above 0 and up to 1; of the steps so many are done. None for the
            model's own default.
        frames: of a video; 1 for an image.
        frames_per_second: of a video.
    """

    prompt: str
    negative_prompt: str | None = None
    width: int
    height: int
    steps: int
    guidance_scale: float | None = None
    seed: int
    image: NDArray[np.uint8] | None = None
    mask: NDArray[np.uint8] | None = None
    strength: float | None = None
    frames: int = 1
    frames_per_second: int = 0


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was drawn.

    Attributes:
        frames: uint8, frames × height × width × 3, in RGB; an image is one frame.
        is_flagged: whether the model's safety checker took offence, and has made the image black.
    """

    frames: NDArray[np.uint8]
    is_flagged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffusionFacts:
    """What a model takes and gives.

    Attributes:
        pipeline: the class that its files name.
        inputs: what can be begun from: `text`, `image` (with a text), `mask` (with an image and a text); at least one.
        honoured: of `negative_prompt`, `guidance_scale` and `strength`, those that the model honours.
        multiple: that the sides of images are multiples of, in pixels.
        width: of an image for which none is told.
        height: the same.
        steps: where none are told.
        guidance_scale: where none is told; 0 where the model has none.
        checks_safety: whether it has a safety checker.
        makes_video: whether it makes videos, and no images.
        frames: of a video where none are told.
        frames_multiple: that the frames of a video less 1 are a multiple of.
        frames_per_second: of a video where none are told.
        max_side: pixels that a side may have, by the model's table of positions; 0 for any.
        max_frames: of a video, likewise.
    """

    pipeline: str
    inputs: frozenset[str]
    honoured: frozenset[str]
    multiple: int
    width: int
    height: int
    steps: int
    guidance_scale: float
    checks_safety: bool
    makes_video: bool = False
    frames: int = 1
    frames_multiple: int = 1
    frames_per_second: int = 0
    max_side: int = 0
    max_frames: int = 0


class DiffusionRun(ABC):
    """One image, or video, on its way."""

    done: int
    """The steps that are done."""

    steps: int
    """That there are; 0 while that is not known. Those of an image that is begun from may be fewer than asked for."""

    @abstractmethod
    def step(self) -> Drawn | None:
        """Runs up to the end of the next step; None until all are done, and then what was drawn.

        Raises:
            PanopeError: it cannot be drawn.
        """

    @abstractmethod
    def close(self) -> None:
        """Ends the run, however far it is, and frees what it holds; a step that runs ends as soon as it can."""


class DiffusionModel(LoadedModel):
    """A loaded model that draws."""

    facts: DiffusionFacts

    def excess(self, prompt: str) -> tuple[int, int] | None:
        """The tokens of a prompt that is too long, and how many the model reads; None for one that it reads whole.

        Any thread may ask, at any time. A model that does not know has nothing to say.
        """
        return None

    @abstractmethod
    def begin(self, request: DiffusionRequest) -> DiffusionRun:
        """Begins to draw; nothing is computed until the first step."""
