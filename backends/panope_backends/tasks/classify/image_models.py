"""Which models that classify take images, told from config.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def takes_images(config: Mapping[str, Any]) -> bool:
    """Whether a model that classifies does it with images."""
    named = config.get("architectures")
    architecture = str(named[0]) if isinstance(named, list) and named else ""
    return architecture.endswith("ForImageClassification") or compares(config)


def compares(config: Mapping[str, Any]) -> bool:
    """Whether it compares images with texts, such as CLIP."""
    return "vision_config" in config and "text_config" in config
