"""The labels of timm's models, which name none where they are those of ImageNet."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

_TYPE = "timm_wrapper"


def with_timm_labels(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """A config.json with what its classes are called, as transformers has it; of other models the same.

    Args:
        config: with a model type.
    """
    if config.get("model_type") != _TYPE or config.get("label_names") or config.get("id2label"):
        return config
    names = _of_imagenet(config) or [f"LABEL_{index}" for index in range(config.get("num_classes") or 0)]
    return {**config, "label_names": names}


def _of_imagenet(config: Mapping[str, Any]) -> list[str]:
    """Which timm knows by how many there are; empty of models for something else, and without timm."""
    try:
        data = importlib.import_module("timm.data")
    except ModuleNotFoundError:
        return []
    subset = data.infer_imagenet_subset(dict(config))
    if not subset:
        return []
    info = data.ImageNetInfo(subset)
    described = info.label_descriptions(as_dict=True)
    return [described[name] for name in info.label_names()]
