"""What a model of images is traced and proved with: images as its own processor makes them, and seeded texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from panope_backends.api import ModelFacts
from panope_backends.engines.torch.vision.heads import PIXELS, VisionHead
from panope_backends.media.processors import load_image_processor, trial_image, whole_of
from panope_backends.model_facts.image_models import finds_poses, sees_padding

Arrays = dict[str, np.ndarray[Any, Any]]

#: Width and height; a processor that scales to one size, whatever comes, makes one shape of all.
_SIZES = ((160, 120), (120, 160), (200, 200))

#: For each size: images, texts beside each, and tokens of each text; no two are alike.
_COUNTS = ((2, 3, 7), (1, 2, 12), (3, 1, 9))

_VOCABULARY, _POSITIONS, _PADDED = 64, 16, 64


def examples(model: ModelFacts, head: VisionHead, folder: Path) -> Sequence[Arrays]:
    """Inputs of several shapes, the first to trace with."""
    pixels = _pixels(model, folder) if PIXELS in head.inputs else [np.zeros(0)] * len(_SIZES)
    made = []
    for image, (batch, texts, length) in zip(pixels, _COUNTS, strict=True):
        arrays = {PIXELS: np.stack([np.roll(image, 3 * turn, axis=-1) for turn in range(batch)])}
        shape = (batch, texts, length) if head.inputs.get("input_ids") == 3 else (batch, length)
        arrays |= _texts(model, shape, seed=length)
        made.append({name: np.ascontiguousarray(arrays[name]) for name in head.inputs})
    return made


def free_shape(name: str, made: Sequence[Arrays]) -> list[int]:
    """The shape of an input, -1 where the examples differ; images are of one size where a processor makes one."""
    shapes = [arrays[name].shape for arrays in made]
    return [sides[0] if len(set(sides)) == 1 else -1 for sides in zip(*shapes, strict=True)]


def _pixels(model: ModelFacts, folder: Path) -> list[np.ndarray[Any, Any]]:
    processor = load_image_processor(folder)
    images = [trial_image(seed).resize(size) for seed, size in enumerate(_SIZES)]
    if finds_poses(model.config):
        made = [processor.in_boxes(image, whole_of(image), "images")[0] for image in images]
    else:
        made = [processor.arrays(image, "images") for image in images]
    return [each[PIXELS].astype(np.float32) for each in made]


def _texts(model: ModelFacts, shape: tuple[int, ...], seed: int) -> Arrays:
    """Seeded token ids; the last of each but the first text are padding."""
    text = model.config.get("text_config")
    config = text if isinstance(text, dict) else {}
    vocabulary, positions = config.get("vocab_size") or _VOCABULARY, config.get("max_position_embeddings") or _POSITIONS
    length = (config.get("max_position_embeddings") or _PADDED) if sees_padding(model.config) else shape[-1]
    shape = (*shape[:-1], min(length, positions) if not sees_padding(model.config) else length)
    ids = np.random.default_rng(seed).integers(1, vocabulary, shape, dtype=np.int64)
    mask = np.ones_like(ids)
    if not sees_padding(model.config):
        mask.reshape(-1, shape[-1])[1:, -2:] = 0
    return {"input_ids": ids, "attention_mask": mask}
