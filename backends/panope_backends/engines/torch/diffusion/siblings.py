"""Pipelines that share a model's weights and begin from something else."""

from __future__ import annotations

import importlib
import inspect
from typing import Any


def sibling(pipeline: Any, kind: str) -> Any | None:
    """The pipeline of the same parts that begins from an image, or from an image and a mask; None where there is none.

    Args:
        pipeline: one that begins from a text.
        kind: `image` or `mask`.
    """
    diffusers = importlib.import_module("diffusers")
    if "num_frames" in inspect.signature(pipeline.__call__).parameters:
        return _filming_sibling(pipeline) if kind == "image" else None
    auto = diffusers.AutoPipelineForImage2Image if kind == "image" else diffusers.AutoPipelineForInpainting
    try:
        return auto.from_pipe(pipeline)
    except ValueError:  # no such pipeline is listed, or it has parts that this model has not
        return None


def _filming_sibling(pipeline: Any) -> Any | None:
    """The one that draws a video from an image; diffusers has a list of them, and nothing that chooses from it."""
    lists = importlib.import_module("diffusers.pipelines.auto_pipeline")
    names = {kind: name for name, kind in lists.AUTO_TEXT2VIDEO_PIPELINES_MAPPING.items()}
    found = lists.AUTO_IMAGE2VIDEO_PIPELINES_MAPPING.get(names.get(type(pipeline)))
    return None if found is None else found.from_pipe(pipeline)
