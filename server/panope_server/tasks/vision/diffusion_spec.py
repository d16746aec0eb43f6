"""What is known of a model that draws."""

from __future__ import annotations

from dataclasses import dataclass

from panope.worker.v1 import diffusion_pb2 as messages
from panope.worker.v1 import worker_pb2 as wire


@dataclass(frozen=True)
class DiffusionSpec:
    """What such a model takes and honours.

    Attributes:
        pipeline: the class of diffusers that it is.
        inputs: what it can begin from: `text`, `image`, `mask`.
        honoured_fields: of `negative_prompt`, `guidance_scale` and `strength`.
        size_multiple: that sides of images are multiples of, in pixels.
        width: of an image for which none is asked for, in pixels.
        height: the same.
        steps: where none are asked for.
        guidance_scale: where none is asked for; 0 where the model has none.
        has_safety_checker: whether images are looked at by a model of its files.
        frames: of a video where none are asked for; 0 for a model of images.
        frames_multiple: that the frames of a video less 1 are a multiple of.
        frames_per_second: of a video where none are asked for.
    """

    pipeline: str
    inputs: tuple[str, ...]
    honoured_fields: tuple[str, ...]
    size_multiple: int
    width: int
    height: int
    steps: int
    guidance_scale: float
    has_safety_checker: bool
    frames: int = 0
    frames_multiple: int = 0
    frames_per_second: int = 0


def diffusion_spec_of(ready: wire.Ready) -> DiffusionSpec:
    """What a worker tells of such a model."""
    facts = messages.DiffusionFacts.FromString(ready.facts)
    return DiffusionSpec(
        pipeline=facts.pipeline,
        inputs=tuple(facts.inputs),
        honoured_fields=tuple(facts.honoured),
        size_multiple=facts.multiple,
        width=facts.width,
        height=facts.height,
        steps=facts.steps,
        guidance_scale=facts.guidance_scale,
        has_safety_checker=facts.checks_safety,
        frames=facts.frames,
        frames_multiple=facts.frames_multiple,
        frames_per_second=facts.frames_per_second,
    )
