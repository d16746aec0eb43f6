"""Loads transformers' models of images by their configuration, and runs them in PyTorch.

Inputs are `pixel_values`, float32, batch × channels × height × width; models that compare images with texts take
`input_ids` and `attention_mask` too, int64, batch × texts × tokens. Outputs, in float32:

    classify   `logits`      batch × labels, or × texts
    detect     `logits`      batch × boxes × classes
               `pred_boxes`  batch × boxes × 4: centre and size, in parts of the image
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from panope_backends.api import Arrays, Level, ModelFacts, Support, TensorModel, TensorSpec
from panope_backends.engines.torch.pretrained import files_refusal, load_pretrained, unknown_type
from panope_backends.errors import InvalidInputError
from panope_backends.memory_limit import is_out_of_memory

PIXELS = "pixel_values"
_TEXT_INPUTS = ("input_ids", "attention_mask")


@dataclass(frozen=True)
class VisionHead:
    """What a task runs of a model of images.

    Attributes:
        auto_class: the one of transformers' auto classes that loads it.
        outputs: transformers' names for what it gives, and how many axes that has.
        reads_texts: whether it takes texts beside the images.
    """

    auto_class: str
    outputs: Mapping[str, int]
    reads_texts: bool = False


_LABELS = VisionHead("AutoModelForImageClassification", {"logits": 2})
_COMPARES = VisionHead("AutoModelForZeroShotImageClassification", {"logits": 2}, reads_texts=True)
_DETECTS = VisionHead("AutoModelForObjectDetection", {"logits": 3, "pred_boxes": 3})

#: By the task, what the names of a model's class end in, and what is run.
_HEADS = (
    ("classify", "ForImageClassification", _LABELS),
    ("detect", "ForObjectDetection", _DETECTS),
)

#: What transformers calls the scores of images beside texts.
_COMPARED = "logits_per_image"


def vision_head(model: ModelFacts) -> VisionHead | None:
    """What the model's task runs of it; None for a model that takes no images, or does something else with them."""
    named = model.config.get("architectures")
    architecture = str(named[0]) if isinstance(named, list) and named else model.architecture
    for task, suffix, head in _HEADS:
        if model.task == task and architecture.endswith(suffix) and not _reads_texts(model):
            return head
    if model.task == "classify" and _reads_texts(model) and architecture.endswith("Model"):
        return _COMPARES
    return None


def _reads_texts(model: ModelFacts) -> bool:
    """Whether it compares images with texts of the caller's own."""
    return "vision_config" in model.config and "text_config" in model.config


def vision_support(model: ModelFacts, head: VisionHead) -> Support:
    """Says from facts alone whether `load_vision_model` can work."""
    if refusal := files_refusal(model, head.auto_class):
        return Support(Level.NONE, refusal, is_final=bool(unknown_type(model)))
    return Support(Level.FULL, "transformers runs the model with its head")


def load_vision_model(model: ModelFacts, head: VisionHead, folder: Path, precision: str, threads: int) -> TensorModel:
    """Loads safetensors; `threads` 0 keeps torch's own number.

    Raises:
        PreconditionError: the model cannot be loaded.
    """
    import torch

    if threads:
        torch.set_num_threads(threads)  # for the whole process, which holds this one model
    return VisionModel(load_pretrained(model, folder, precision, head.auto_class), head, precision)


class VisionModel(TensorModel):
    """A model of images; float32 in and out whatever it computes in.

    Args:
        module: the model.
        head: what is run of it.
        precision: that it computes in.
    """

    def __init__(self, module: Any, head: VisionHead, precision: str) -> None:
        self.precision = precision
        texts = _TEXT_INPUTS if head.reads_texts else ()
        self.inputs = [
            TensorSpec(PIXELS, "float32", (-1, -1, -1, -1)),
            *(TensorSpec(name, "int64", (-1, -1, -1)) for name in texts),
        ]
        self.outputs = [TensorSpec(name, "float32", (-1,) * axes) for name, axes in head.outputs.items()]
        self._module = module
        self._head = head

    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
        """Runs once.

        Raises:
            InvalidInputError: the images are of a size that the model does not take.
        """
        import torch

        names = outputs or [spec.name for spec in self.outputs]
        with torch.inference_mode():
            tensors = {spec.name: torch.from_numpy(np.array(arrays[spec.name])) for spec in self.inputs}
            tensors[PIXELS] = tensors[PIXELS].to(self._module.dtype)
            try:
                given = compared(self._module, tensors) if self._head.reads_texts else self._module(**tensors)
            except (RuntimeError, ValueError, IndexError) as error:  # models check sizes by errors of all three kinds
                if is_out_of_memory(error) or not any(word in str(error).lower() for word in ("size", "shape")):
                    raise
                raise InvalidInputError("the inputs' shapes do not fit the model", field="inputs") from error
            return {name: given[name].float().numpy() for name in names}

    def close(self) -> None:
        """Frees the weights."""
        del self._module


def compared(module: Any, tensors: Mapping[str, Any]) -> Mapping[str, Any]:
    """The scores of each image beside its own texts.

    Args:
        module: a model that scores every image of a batch beside every text.
        tensors: its inputs, the texts of each image by themselves.
    """
    import torch

    batch, texts = tensors["input_ids"].shape[:2]
    flat = {name: tensor if name == PIXELS else tensor.flatten(0, 1) for name, tensor in tensors.items()}
    scores = module(**flat)[_COMPARED].reshape(batch, batch, texts)
    return {"logits": scores[torch.arange(batch), torch.arange(batch)]}
