"""Requests to a model that draws images: what they ask for, in the model's own terms."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from panope.worker.v1 import image_generation_pb2 as messages
from panope_backends.api import DiffusionFacts, DiffusionModel, DiffusionRequest
from panope_backends.errors import Field, InvalidInputError
from panope_backends.media.limits import MediaLimits
from panope_backends.tasks.diffusion import (
    SEED_BITS,
    changes_nothing,
    check_guidance,
    check_positions,
    check_prompts,
    check_sides,
    refuse_input,
)
from panope_backends.tasks.image_generation.job import ImageJob
from panope_backends.tasks.images import read_image, read_transparency
from panope_backends.tasks.task import Job

#: Of one image.
MAX_PIXELS = 2048 * 2048

_MAX_SEED = (1 << 63) - 1


@dataclass(frozen=True)
class ImageRequests:
    """What makes jobs for one model.

    Attributes:
        model: that draws.
        limits: that images which are begun from must keep.
    """

    model: DiffusionModel
    limits: MediaLimits

    def prepare(self, data: bytes) -> Job:
        """The job of a message.

        Raises:
            InvalidInputError: a field of the request is wrong for this model.
        """
        message = messages.ImageGenerationInput.FromString(data)
        facts = self.model.facts
        check_honoured(message, facts)
        check_prompts(message, self.model)
        image = read_image(message.image, "image", self.limits) if message.HasField("image") else None
        width, height = size_of(message.width, message.height, facts, image)
        steps = message.steps or facts.steps
        _check_strength(message, steps)
        asked: dict[str, Any] = {
            name: getattr(message, name) if message.HasField(name) else None
            for name in ("negative_prompt", "guidance_scale", "strength")
        }
        if image is not None:
            asked["image"] = np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))
        if message.HasField("mask"):
            asked["mask"] = self._mask(message, (width, height))
        first = message.seed if message.HasField("seed") else secrets.randbits(SEED_BITS)
        requests = [
            DiffusionRequest(
                prompt=message.prompt,
                width=width,
                height=height,
                steps=steps,
                seed=(first + index) & _MAX_SEED,
                **asked,
            )
            for index in range(message.count)
        ]
        return ImageJob(self.model, requests, message.output_format, message.quality)

    def _mask(self, message: messages.ImageGenerationInput, size: tuple[int, int]) -> NDArray[np.uint8]:
        if message.mask_is_transparency:
            drawn = read_transparency(message.mask, "mask", self.limits)
        else:
            drawn = read_image(message.mask, "mask", self.limits).convert("L")
        marked = np.asarray(drawn.resize(size, Image.Resampling.NEAREST)) > 127
        return np.where(marked, np.uint8(255), np.uint8(0))


def check_honoured(message: messages.ImageGenerationInput, facts: DiffusionFacts) -> None:
    """Refuses fields that would change nothing, and what the model cannot begin from."""
    kind = "mask" if message.HasField("mask") else "image" if message.HasField("image") else "text"
    if kind not in facts.inputs:
        refuse_input(kind, facts)
    check_guidance(message, facts)
    if message.HasField("strength") and "strength" not in facts.honoured:
        raise changes_nothing("strength", facts)
    if message.HasField("strength") and kind == "text":
        raise InvalidInputError.at(
            "strength", "{field} says how much of an image may change, and there is no {image}", image=Field("image")
        )


def _check_strength(message: messages.ImageGenerationInput, steps: int) -> None:
    if message.HasField("strength") and int(steps * message.strength) < 1:
        raise InvalidInputError.at(
            "strength", "{field} times {steps} steps is less than one step; give more of either", steps=steps
        )


def size_of(width: int, height: int, facts: DiffusionFacts, image: Image.Image | None) -> tuple[int, int]:
    """The size to draw in.

    Args:
        width: that was asked for; 0 for none.
        height: the same.
        facts: of the model.
        image: that is begun from, whose own size counts where none is asked for, as the model can draw it.

    Raises:
        InvalidInputError: the model cannot draw in it, or it is too large.
    """
    multiple = facts.multiple
    check_sides(width, height, facts)
    if image is None:
        own: Sequence[int] = facts.width, facts.height
    else:
        own = [max(multiple, side // multiple * multiple) for side in image.size]
    found = width or own[0], height or own[1]
    if found[0] * found[1] > MAX_PIXELS:
        raise InvalidInputError.at(
            "width" if width else "image" if image is not None else "height",
            "{field}: {width:,} × {height:,} pixels would be drawn, {count:,} in all; the limit is {limit:,}",
            width=found[0],
            height=found[1],
            count=found[0] * found[1],
            limit=MAX_PIXELS,
        )
    check_positions(*found, facts, "image" if image is not None and not (width and height) else "")
    return found
