"""What a pipeline is called with, and what it gives."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from panope_backends.api import DiffusionRequest, Drawn
from panope_backends.engines.torch.diffusion.pipeline_facts import guidance_name
from panope_backends.errors import InternalError


def arguments_of(pipeline: Any, request: DiffusionRequest) -> dict[str, Any]:
    """The arguments of a call; what the pipeline does not take is not in the request, but for an image's size."""
    takes = inspect.signature(pipeline.__call__).parameters
    asked: dict[str, Any] = {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "num_inference_steps": request.steps,
        guidance_name(takes): request.guidance_scale,
        "strength": request.strength,
        "image": None if request.image is None else Image.fromarray(request.image),
        "mask_image": None if request.mask is None else Image.fromarray(request.mask),
        # From the processor's generator whatever the device, so that a seed means the same noise everywhere.
        "generator": torch.Generator().manual_seed(request.seed),
        "output_type": "np",
    }
    # Some that begin from an image take its size, and most that draw a video do not ask how fast it is shown.
    sizes = {
        "width": request.width,
        "height": request.height,
        "num_frames": request.frames,
        "frame_rate": request.frames_per_second or None,
    }
    asked |= {name: value for name, value in sizes.items() if name in takes}
    return {name: value for name, value in asked.items() if value is not None}


def drawn(given: Any, request: DiffusionRequest) -> Drawn:
    """What a pipeline has given, as 8 bits a colour.

    Raises:
        InternalError: it is no image, or of another size.
    """
    # Of a video the first axis is that of several.
    frames = np.asarray(given.frames)[0] if hasattr(given, "frames") else np.asarray(given.images)
    if frames.shape != (request.frames, request.height, request.width, 3):
        raise InternalError("the model has drawn another size than it was asked for")
    flagged = getattr(given, "nsfw_content_detected", None)
    return Drawn(_pixels(frames), bool(flagged and any(flagged)))


def _pixels(values: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """As diffusers makes images of what is between 0 and 1."""
    if not np.isfinite(values).all():
        raise InternalError("the model has drawn values that are no numbers; another precision may help")
    made: NDArray[np.uint8] = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return made
