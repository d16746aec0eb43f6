"""Where the graphs of one model of images lie."""

from __future__ import annotations

from panope_backends.api import ModelFacts
from panope_backends.engines.torch.vision.heads import TEXTS
from panope_backends.model_facts.image_models import has_towers

IMAGES_FILE = "openvino_model.xml"

TEXTS_FILE = "openvino_text_model.xml"
"""Of a model that gives images and texts vectors of one space: the part that reads texts."""

NOT_CONVERTED = frozenset({"find_one_by_one"})
"""Kinds of `VisionHead` that the converter has no rules for (2026.4: `cummax`, `cummin`, `isin`, `logit`)."""


def heads_of(model: ModelFacts) -> dict[str, str]:
    """The files of a model's parts, by `ModelFacts.head`."""
    if model.task == "embed" and has_towers(model.config):
        return {"": IMAGES_FILE, TEXTS: TEXTS_FILE}
    return {"": IMAGES_FILE}
