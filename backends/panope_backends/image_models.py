"""Which models take images, told from config.json: workers ask when they load one, engines before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Which config.json has of models of images; those of texts and images together have them in a part of it.
_SIZES = ("image_size", "num_channels", "pretrained_cfg")  # the last is timm's


def architecture_of(config: Mapping[str, Any]) -> str:
    """The class that config.json names; empty where it names none."""
    named = config.get("architectures")
    return str(named[0]) if isinstance(named, list) and named else ""


def classifies_images(config: Mapping[str, Any]) -> bool:
    """Whether a model that classifies does it with images."""
    return architecture_of(config).endswith("ForImageClassification") or compares(config)


def compares(config: Mapping[str, Any]) -> bool:
    """Whether it compares images with texts, such as CLIP."""
    return "vision_config" in config and "text_config" in config


def embeds_images(config: Mapping[str, Any]) -> bool:
    """Whether a model that embeds does it with images, be it beside texts."""
    return has_towers(config) or encodes_images(config)


def has_towers(config: Mapping[str, Any]) -> bool:
    """Whether it gives images and texts vectors of one space, each by a part of its own."""
    return compares(config) and architecture_of(config).endswith("Model")


def encodes_images(config: Mapping[str, Any]) -> bool:
    """Whether it encodes images and nothing else, as ViT, DINOv2, Swin and ConvNeXt do."""
    return "vocab_size" not in config and "text_config" not in config and any(key in config for key in _SIZES)


def sees_padding(config: Mapping[str, Any]) -> bool:
    """Whether its texts are all of one length and padding counts in them, as SigLIP and its kin were trained."""
    return str(config.get("model_type")).startswith("siglip")


def finds_poses(config: Mapping[str, Any]) -> bool:
    """Whether a detector finds the points of whoever stands in a rectangle, as VitPose does."""
    return architecture_of(config).endswith("ForPoseEstimation")


def finds_together(config: Mapping[str, Any]) -> bool:
    """Whether a detector looks for all texts of its caller at once, as OWL-ViT does."""
    return config.get("model_type") in ("owlvit", "owlv2")


def finds_one_by_one(config: Mapping[str, Any]) -> bool:
    """Whether a detector by texts takes each as a sentence of its own, as Grounding DINO does."""
    return config.get("model_type") in ("grounding-dino", "mm-grounding-dino")


def pads_to_square(config: Mapping[str, Any]) -> bool:
    """Whether what a detector says of places is in parts of the image padded to a square."""
    return config.get("model_type") == "owlv2"
