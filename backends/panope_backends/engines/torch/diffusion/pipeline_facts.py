"""What a loaded pipeline takes and honours, told by its signature and the configurations of its parts."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

from panope_backends.api import DiffusionFacts

#: What diffusers checks sides by, whatever the model.
_LEAST_MULTIPLE = 8

#: Where a pipeline says nothing of its images' sides, or of its steps.
_SIDE, _STEPS = 1024, 50

#: Latents of transformers go in patches of two, some without the model's configuration saying so.
_PATCH = 2
#: From this on one latent stands for as many pixels as a patch does elsewhere.
_COARSE = 32

#: What pipelines call how many pixels, or frames, one latent stands for.
_SPATIAL = ("vae_scale_factor", "vae_scale_factor_spatial", "vae_spatial_compression_ratio")
_TEMPORAL = ("vae_scale_factor_temporal", "vae_temporal_compression_ratio")

#: Of pipelines of videos that do not say it; Wan's were trained with it.
_FRAMES_PER_SECOND = 16

#: Transformers whose table of positions is told by all that it has, and those that have none whatever is told.
_SQUARE_TABLES = frozenset({"AuraFlowTransformer2DModel"})
_UNREAD_TABLES = frozenset({"CogView4Transformer2DModel"})

Parameters = Mapping[str, inspect.Parameter]


def pipeline_facts(pipeline: Any, pipelines: Mapping[str, Any]) -> DiffusionFacts:
    """The facts of a pipeline.

    Args:
        pipeline: as it was loaded.
        pipelines: of its weights, by what they begin from.
    """
    takes = inspect.signature(pipeline.__call__).parameters
    multiple = _multiple(pipeline)
    max_side, max_frames = _max_side(pipeline), _max_frames(pipeline)
    width, height = (min(side, max_side or side) for side in _default_size(pipeline, takes, multiple))
    steps, guidance = takes["num_inference_steps"].default, takes.get(guidance_name(takes))
    frames = takes.get("num_frames")
    shown = takes.get("frame_rate")
    honours_guidance = "guidance_scale" in _honoured(pipeline, takes)
    return DiffusionFacts(
        pipeline=type(pipeline).__name__,
        inputs=frozenset(pipelines),
        honoured=_honoured(pipeline, takes) | _strength(pipelines),
        multiple=multiple,
        width=width,
        height=height,
        steps=steps if isinstance(steps, int) else _STEPS,
        guidance_scale=float(guidance.default or 0) if guidance is not None and honours_guidance else 0.0,
        checks_safety=getattr(pipeline, "safety_checker", None) is not None,
        makes_video=frames is not None,
        frames=1 if frames is None else min(int(frames.default), max_frames or int(frames.default)),
        frames_multiple=1 if frames is None else _compression(pipeline, _TEMPORAL),
        frames_per_second=0 if frames is None else int(shown.default if shown is not None else _FRAMES_PER_SECOND),
        max_side=max_side,
        max_frames=max_frames,
    )


def guidance_name(takes: Parameters) -> str:
    """What a pipeline calls how closely it keeps to the prompt.

    Some models were trained to be told a `guidance_scale`, and call the usual one `true_cfg_scale`. The first of the
    two with a default counts.
    """
    own = takes.get("guidance_scale")
    if "true_cfg_scale" in takes and (own is None or own.default is None):
        return "true_cfg_scale"
    return "guidance_scale"


def _honoured(pipeline: Any, takes: Parameters) -> frozenset[str]:
    """Which of the fields change anything: some are taken and passed over, as the models' configurations have it."""
    name, found = guidance_name(takes), set()
    is_told = getattr(_config(pipeline, "transformer"), "guidance_embeds", True)
    if name in takes and (name == "true_cfg_scale" or "true_cfg_scale" not in takes or is_told):
        found.add("guidance_scale")
    # With those that are told their guidance nothing is computed for a negative prompt.
    is_told_by_unet = getattr(_config(pipeline, "unet"), "time_cond_proj_dim", None) is not None
    computes = (name == "true_cfg_scale" or "true_cfg_scale" not in takes) and not is_told_by_unet
    if "negative_prompt" in takes and computes:
        found.add("negative_prompt")
    return frozenset(found)


def _strength(pipelines: Mapping[str, Any]) -> frozenset[str]:
    begun = [pipeline for kind, pipeline in pipelines.items() if kind != "text"]
    take = all("strength" in inspect.signature(pipeline.__call__).parameters for pipeline in begun)
    return frozenset({"strength"} if begun and take else ())


def _multiple(pipeline: Any) -> int:
    scale = _compression(pipeline, _SPATIAL)
    transformer = _config(pipeline, "transformer")
    if transformer is None:
        return math.lcm(_LEAST_MULTIPLE, scale)
    _, patch = _patch(transformer)
    return math.lcm(_LEAST_MULTIPLE, scale * (patch if scale >= _COARSE else max(patch, _PATCH)))


def _patch(transformer: Any) -> tuple[int, int]:
    """How many latents are seen as one, in time and on a side."""
    found = getattr(transformer, "patch_size", 1)
    sizes = list(found) if isinstance(found, list | tuple) and found else [1, found]  # of a video, time comes first
    time, side = (size if isinstance(size, int) else 1 for size in (sizes[0], sizes[-1]))
    return time, side


def _positions(pipeline: Any) -> int:
    """How many patches the transformer's table of positions has for an axis; 0 for one that has none."""
    transformer = _config(pipeline, "transformer")
    found = getattr(transformer, "rope_max_seq_len", None) or getattr(transformer, "pos_embed_max_size", None)
    if not isinstance(found, int) or type(pipeline.transformer).__name__ in _UNREAD_TABLES:
        return 0
    return math.isqrt(found) if type(pipeline.transformer).__name__ in _SQUARE_TABLES else found


def _max_side(pipeline: Any) -> int:
    """In pixels; diffusers looks past the end of the table, or fails deep within the model."""
    multiple = _multiple(pipeline)
    _, patch = _patch(_config(pipeline, "transformer"))
    return _positions(pipeline) * patch * _compression(pipeline, _SPATIAL) // multiple * multiple


def _max_frames(pipeline: Any) -> int:
    transformer = _config(pipeline, "transformer")
    if not getattr(transformer, "rope_max_seq_len", None):
        return 0
    time, _ = _patch(transformer)
    return (_positions(pipeline) * time - 1) * _compression(pipeline, _TEMPORAL) + 1


def _compression(pipeline: Any, names: Sequence[str]) -> int:
    """How many pixels, or frames, one latent stands for."""
    return next((int(found) for name in names if (found := getattr(pipeline, name, None))), 1)


def _default_size(pipeline: Any, takes: Parameters, multiple: int) -> tuple[int, int]:
    """Width and height of an image for which none are told."""
    told = [takes[name].default if name in takes else None for name in ("width", "height")]
    if not all(isinstance(side, int) for side in told):
        scale = _compression(pipeline, _SPATIAL)
        told = [side * scale for side in _sample_size(pipeline)] or [_SIDE, _SIDE]
    width, height = (max(multiple, int(side or _SIDE) // multiple * multiple) for side in told)
    return width, height


def _sample_size(pipeline: Any) -> list[int]:
    """Width and height of latents that the model was trained with; empty where it does not say."""
    found = getattr(pipeline, "default_sample_size", None)
    for part in ("unet", "transformer"):
        found = found or getattr(_config(pipeline, part), "sample_size", None)
    if isinstance(found, int):
        return [found, found]
    if isinstance(found, list | tuple) and len(found) == 2:  # height and width
        return [int(found[1]), int(found[0])]
    return []


def _config(pipeline: Any, part: str) -> Any:
    return getattr(getattr(pipeline, part, None), "config", None)
