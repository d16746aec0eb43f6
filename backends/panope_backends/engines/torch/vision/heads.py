"""What the tasks run of transformers' models of images, told from facts alone.

Inputs are `pixel_values`, float32, batch × channels × height × width, and for models that read texts beside them
`input_ids` and `attention_mask`, int64. Some take patches: `pixel_values` are batch × patches × values then, with
`pixel_attention_mask` and `spatial_shapes`, int64. Outputs, in float32:

    classify                  `logits`             batch × labels
      of videos               `logits`             batch × labels, of batch × frames × channels × height × width
      by the caller's labels  `logits`             batch × texts, of texts that are batch × texts × tokens
    detect                    `logits`             batch × boxes × classes
                              `pred_boxes`         batch × boxes × 4: centre and size, in parts of the image
      by the caller's labels  `logits`             batch × texts × boxes, of texts as above
                              `pred_boxes`         batch × texts × boxes × 4
      by points               `heatmaps`           batch × points × rows × columns, of rectangles of an image
    segment                   `logits`             batch × labels × rows × columns
      by masks                 transformers' names  batch × masks × (labels + 1), and batch × masks × rows × columns
    super-resolution          `reconstruction`     batch × 3 × rows × columns
    depth                     `predicted_depth`    batch × rows × columns
    embed                     `last_hidden_state`  batch × tokens × values
                              `pooler_output`      batch × values, where the model has a trained one
      images beside texts     `image_embeds`       batch × values
      texts, `TEXTS`          `text_embeds`        batch × values, of texts that are batch × tokens
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from panope_backends.api import Level, ModelFacts, Support
from panope_backends.engines.torch.pretrained import files_refusal, unknown_type
from panope_backends.model_facts.image_models import (
    architecture_of,
    compares,
    compares_videos,
    encodes_images,
    finds_one_by_one,
    finds_together,
    has_towers,
    looks_at_patches,
    sees_padding,
)

PIXELS = "pixel_values"

TEXTS = "texts"
"""`ModelFacts.head` for the part of a model of images and texts that reads the texts."""

_IMAGES = {PIXELS: 4}

#: Of models that look at patches of images of any shape: batch × patches × values, which of them are any, and how many
#: rows and columns of them there are.
_PATCHES = {PIXELS: 3, "pixel_attention_mask": 2, "spatial_shapes": 2}
_LABEL_TEXTS = {"input_ids": 3, "attention_mask": 3}
_WITH_TEXTS = {**_IMAGES, **_LABEL_TEXTS}

IMAGE_INPUTS = frozenset({*_IMAGES, *_PATCHES})
"""The names of all that stands for images."""


@dataclass(frozen=True)
class VisionHead:
    """What a task runs of a model of images.

    Attributes:
        kind: of `forwards.FORWARDS`: how it is called.
        auto_class: the one of transformers' auto classes that loads it.
        outputs: their names, and how many axes each has.
        inputs: the same.
        may_lack: a part whose weights may be missing; then the output of its name is not given.
    """

    kind: str
    auto_class: str
    outputs: Mapping[str, int]
    inputs: Mapping[str, int] = field(default_factory=lambda: _IMAGES)
    may_lack: str = ""


_LABELS = VisionHead("logits", "AutoModelForImageClassification", {"logits": 2})
_VIDEO_LABELS = VisionHead("logits", "AutoModelForVideoClassification", {"logits": 2}, {PIXELS: 5})
_COMPARES = VisionHead("compare", "AutoModelForZeroShotImageClassification", {"logits": 2}, _WITH_TEXTS)
_DETECTS = VisionHead("detect", "AutoModelForObjectDetection", {"logits": 3, "pred_boxes": 3})
_POSES = VisionHead("poses", "AutoModelForPoseEstimation", {"heatmaps": 4})
_DEPTH = VisionHead("depth", "AutoModelForDepthEstimation", {"predicted_depth": 3})
_ENLARGES = VisionHead("enlarge", "AutoModelForImageToImage", {"reconstruction": 4})
_MASKS = {"class_queries_logits": 3, "masks_queries_logits": 4}
_ENCODES = VisionHead("encode", "AutoModel", {"last_hidden_state": 3, "pooler_output": 2}, may_lack="pooler")
_EMBEDS_IMAGES = VisionHead("image_features", "AutoModel", {"image_embeds": 2})
_EMBEDS_TEXTS = VisionHead("text_features", "AutoModel", {"text_embeds": 2}, {"input_ids": 2, "attention_mask": 2})
_EMBEDS_PADDED = VisionHead("text_features", "AutoModel", {"text_embeds": 2}, {"input_ids": 2})

_FOUND = {"logits": 3, "pred_boxes": 4}
_FINDS = "AutoModelForZeroShotObjectDetection"

_FINDS_TOGETHER = VisionHead("find_together", _FINDS, _FOUND, _WITH_TEXTS)
_FINDS_ONE_BY_ONE = VisionHead("find_one_by_one", _FINDS, _FOUND, _WITH_TEXTS)

#: By what the names of classes end in.
_SEGMENTS = {
    "ForSemanticSegmentation": VisionHead("segment", "AutoModelForSemanticSegmentation", {"logits": 4}),
    "ForUniversalSegmentation": VisionHead("segment", "AutoModelForUniversalSegmentation", _MASKS),
    "ForInstanceSegmentation": VisionHead("segment", "AutoModelForInstanceSegmentation", _MASKS),
    "ForSegmentation": VisionHead("segment", "AutoModelForImageSegmentation", {"logits": 3, "pred_masks": 4}),
}


def vision_head(model: ModelFacts) -> VisionHead | None:
    """What the model's task runs of it; None for a model that takes no images, or does something else with them."""
    architecture = architecture_of(model.config) or model.architecture
    if model.task == "embed":
        return _of_patches(model, _embedding_head(model, architecture))
    if model.task == "classify" and compares(model.config):
        return _of_patches(model, _COMPARES) if architecture.endswith("Model") else None
    if model.task == "classify" and architecture.endswith("ForImageClassification"):
        return _LABELS
    if model.task == "classify" and architecture.endswith("ForVideoClassification"):
        return _VIDEO_LABELS
    if model.task == "detect" and architecture.endswith("ForObjectDetection"):
        return _detecting_head(model.config)
    if model.task == "detect" and architecture.endswith("ForPoseEstimation"):
        return _POSES
    if model.task == "depth" and architecture.endswith("ForDepthEstimation"):
        return _DEPTH
    if model.task == "super-resolution" and architecture.endswith("ForImageSuperResolution"):
        return _ENLARGES
    if model.task == "segment" and "text_config" not in model.config:
        return next((head for suffix, head in _SEGMENTS.items() if architecture.endswith(suffix)), None)
    return None


def _of_patches(model: ModelFacts, head: VisionHead | None) -> VisionHead | None:
    """The head with the inputs of a model that takes patches in the place of pixels, if it is one."""
    if head is None or PIXELS not in head.inputs or not looks_at_patches(model.config):
        return head
    return replace(head, inputs={**_PATCHES, **{name: axes for name, axes in head.inputs.items() if name != PIXELS}})


def _detecting_head(config: Mapping[str, Any]) -> VisionHead | None:
    if finds_together(config):
        return _FINDS_TOGETHER
    if finds_one_by_one(config):
        return _FINDS_ONE_BY_ONE
    return None if "text_config" in config else _DETECTS  # others that read texts read them in ways of their own


def _embedding_head(model: ModelFacts, architecture: str) -> VisionHead | None:
    if has_towers(model.config):
        if model.head == TEXTS:
            return _EMBEDS_PADDED if sees_padding(model.config) else _EMBEDS_TEXTS
        return _EMBEDS_IMAGES
    # A projection has no auto class, and without it the vectors are of another space.
    return _ENCODES if encodes_images(model.config) and not architecture.endswith("WithProjection") else None


def vision_support(model: ModelFacts, head: VisionHead) -> Support:
    """Says from facts alone whether `load_vision_model` can work."""
    if compares_videos(model.config):
        refusal = "the model compares videos with texts; models of images and texts are run with images alone"
        return Support(Level.NONE, refusal, is_final=True)
    if refusal := files_refusal(model, head.auto_class):
        return Support(Level.NONE, refusal, is_final=bool(unknown_type(model)))
    return Support(Level.FULL, "transformers runs the model with its head")
