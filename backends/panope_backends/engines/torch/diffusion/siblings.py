"""Pipelines that share a model's weights and begin from something else."""

from __future__ import annotations

import importlib
from typing import Any


def sibling(pipeline: Any, kind: str) -> Any | None:
    """The pipeline of the same parts that begins from an image, or from an image and a mask; None where there is none.

    Args:
        pipeline: one that begins from a text.
        kind: `image` or `mask`.
    """
    diffusers = importlib.import_module("diffusers")
    auto = diffusers.AutoPipelineForImage2Image if kind == "image" else diffusers.AutoPipelineForInpainting
    try:
        return auto.from_pipe(pipeline)
    except ValueError:  # no such pipeline is listed, or it has parts that this model has not
        return None
