"""How each kind of `VisionHead` is called: from named tensors to named tensors. Brings torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from panope_backends.engines.torch.vision.heads import IMAGE_INPUTS, PIXELS

Tensors = Mapping[str, Any]
Forward = Callable[[Any, Tensors], Tensors]
"""The module, and its inputs by their names; gives its outputs by theirs."""

#: What transformers calls the scores of images beside texts.
_COMPARED = "logits_per_image"

_POOLED = "pooler_output"


def _as_named(module: Any, tensors: Tensors) -> Tensors:
    given: Tensors = module(**tensors)
    return given


def _labels(module: Any, tensors: Tensors) -> Tensors:
    """Some of PaddlePaddle's classes have another name for their scores, which are all that they give."""
    given = module(**tensors)
    return {"logits": given["logits"] if "logits" in given else given[0]}


def compared(module: Any, tensors: Tensors) -> Tensors:
    """The scores of each image beside its own texts; the module scores every image of a batch beside every text."""
    batch, texts = tensors["input_ids"].shape[:2]
    scores = module(**_flat(tensors))[_COMPARED].reshape(batch, batch, texts)
    each = torch.arange(batch, device=scores.device)
    return {"logits": scores[each, each]}


def _encoded(module: Any, tensors: Tensors) -> Tensors:
    """Tokens, which convolutions give as a map, and what the model makes of them all."""
    given, images = module(**tensors), len(tensors[PIXELS])
    if len(given["last_hidden_state"]) != images > 1:  # the patches of all images as one row
        alone = [_encoded(module, {name: tensor[at, None] for name, tensor in tensors.items()}) for at in range(images)]
        return {name: torch.cat([each[name] for each in alone]) for name in alone[0]}
    hidden, pooled = given["last_hidden_state"], given.get(_POOLED)
    found = {"last_hidden_state": hidden.flatten(2).transpose(1, 2) if hidden.ndim > 3 else hidden}
    return found if pooled is None else found | {_POOLED: pooled.flatten(1)}


def _image_features(module: Any, tensors: Tensors) -> Tensors:
    return {"image_embeds": module.get_image_features(**tensors)[_POOLED]}


def _text_features(module: Any, tensors: Tensors) -> Tensors:
    return {"text_embeds": module.get_text_features(**tensors)[_POOLED]}


def _found_together(module: Any, tensors: Tensors) -> Tensors:
    given = module(**_flat(tensors))
    texts = tensors["input_ids"].shape[1]
    boxes = given["pred_boxes"].unsqueeze(1).expand(-1, texts, -1, -1)
    return {"logits": given["logits"].transpose(1, 2), "pred_boxes": boxes}


def _found_one_by_one(module: Any, tensors: Tensors) -> Tensors:
    """Of each text by itself, as transformers' pipeline asks; a box is as like a text as its likest token."""
    batch, texts = tensors["input_ids"].shape[:2]
    pixels = tensors[PIXELS].repeat_interleave(texts, dim=0)
    given = module(**(dict(_flat(tensors)) | {PIXELS: pixels}))
    scores, boxes = given["logits"].amax(dim=-1), given["pred_boxes"]
    return {
        "logits": scores.reshape(batch, texts, -1),
        "pred_boxes": boxes.reshape(batch, texts, -1, 4),
    }


def _poses(module: Any, tensors: Tensors) -> Tensors:
    """By the experts of the first data set, which is COCO's for all that are published with several."""
    if getattr(getattr(module.config, "backbone_config", None), "num_experts", 1) > 1:
        given: Tensors = module(**tensors, dataset_index=torch.zeros(len(tensors[PIXELS]), dtype=torch.int64))
        return given
    return _as_named(module, tensors)


def _flat(tensors: Tensors) -> Tensors:
    """The texts of all images one after another."""
    return {name: tensor if name in IMAGE_INPUTS else tensor.flatten(0, 1) for name, tensor in tensors.items()}


FORWARDS: Mapping[str, Forward] = {
    "logits": _labels,
    "detect": _as_named,
    "poses": _poses,
    "segment": _as_named,
    "depth": _as_named,
    "enlarge": _as_named,
    "compare": compared,
    "encode": _encoded,
    "image_features": _image_features,
    "text_features": _text_features,
    "find_together": _found_together,
    "find_one_by_one": _found_one_by_one,
}
