"""Tiny seeded models that classify videos, VideoMAE, TimeSformer and ViViT, in transformers' layout."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

FRAMES, SIDE = 8, 32
"""That they look at, and the pixels of a side."""

LABELS = ("jumps", "runs", "sits")

_SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "image_size": SIDE,
    "patch_size": 8,
    "num_frames": FRAMES,
    "initializer_range": 0.5,
    "id2label": dict(enumerate(LABELS)),
    "label2id": {label: number for number, label in enumerate(LABELS)},
}

#: As the hub's models have it, whose files name a processor of images.
_PROCESSOR = {
    "do_center_crop": True,
    "do_normalize": True,
    "do_resize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "size": {"shortest_edge": SIDE},
    "crop_size": {"height": SIDE, "width": SIDE},
}


def _videomae() -> Any:
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification

    return VideoMAEForVideoClassification(VideoMAEConfig(**_SIZES))


def _timesformer() -> Any:
    from transformers import TimesformerConfig, TimesformerForVideoClassification

    return TimesformerForVideoClassification(TimesformerConfig(**_SIZES))


def _vivit() -> Any:
    from transformers import VivitConfig, VivitForVideoClassification

    sizes = {name: value for name, value in _SIZES.items() if name != "patch_size"}
    return VivitForVideoClassification(VivitConfig(**sizes, tubelet_size=[2, 8, 8]))


VIDEO_CLASSIFIERS: Mapping[str, tuple[Callable[[], Any], str]] = {
    "videomae": (_videomae, "VideoMAEImageProcessor"),
    "timesformer": (_timesformer, "VideoMAEImageProcessor"),
    "vivit": (_vivit, "VivitImageProcessor"),
}
"""Name -> the model, and the class that its processor's file names."""


def tiny_video_classifier(folder: Path, name: str = "videomae", seed: int = 0) -> Any:
    """Writes one, and gives transformers' model of it.

    Args:
        folder: to write to.
        name: of `VIDEO_CLASSIFIERS`.
        seed: of its weights.
    """
    import torch
    from transformers.utils import logging

    make, processor = VIDEO_CLASSIFIERS[name]
    torch.manual_seed(seed)
    made = make().eval()
    logging.disable_progress_bar()
    made.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({**_PROCESSOR, "image_processor_type": processor}))
    return made
