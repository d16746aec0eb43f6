"""What tiny models of images have in common."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: Pixels of a side that the classifiers scale to.
SIDE = 32

LABELS = ("cat", "dog", "coffee", "horse", "rocket")

IMAGENET: Mapping[str, Any] = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}


def saved(folder: Path, config: Any, kind: str) -> None:
    """Writes a model with random weights.

    Args:
        folder: where to.
        config: of the model.
        kind: the name of its class.
    """
    import torch
    import transformers

    model = getattr(transformers, kind)(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(4)  # so that images differ in what is said of them
    model.save_pretrained(folder)


def label_config() -> dict[str, Any]:
    """What a configuration says of `LABELS`."""
    return {"id2label": dict(enumerate(LABELS)), "label2id": {label: index for index, label in enumerate(LABELS)}}
