"""Loads transformers' models of images by their configuration, and runs them in PyTorch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from panope_backends.api import Arrays, ModelFacts, TensorModel, TensorSpec
from panope_backends.engines.torch.devices.torch_device import HOST, TorchDevice
from panope_backends.engines.torch.out_of_memory import run_within_memory
from panope_backends.engines.torch.pretrained import load_partly, load_pretrained
from panope_backends.engines.torch.vision.forwards import FORWARDS
from panope_backends.engines.torch.vision.heads import PIXELS, TEXTS, VisionHead
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.isolation.memory_limit import is_out_of_memory

#: Sides of an image that any model of no stated size takes.
_SIDE = 64

#: transformers' names for the parts of a model that images and texts do not share.
_TOWERS = ("vision_model", "text_model")


def load_vision_model(
    model: ModelFacts,
    head: VisionHead,
    folder: Path,
    precision: str,
    threads: int,
    device: TorchDevice = HOST,
) -> TensorModel:
    """Loads safetensors; `threads` 0 keeps torch's own number.

    Raises:
        PreconditionError: the model cannot be loaded.
    """
    if threads:
        torch.set_num_threads(threads)  # for the whole process, which holds this one model
    module, head = load_module(model, head, folder, precision)
    return VisionModel(device.place(module), head, precision, device)


def load_module(
    model: ModelFacts, head: VisionHead, folder: Path, precision: str, attention: str | None = None
) -> tuple[Any, VisionHead]:
    """The module, and the head without the outputs that this model has not; `attention` as of `load_pretrained`.

    Raises:
        PreconditionError: the model cannot be loaded, or has no such part.
    """
    if head.kind == "encode":
        module, lacks = load_partly(model, folder, precision, head.auto_class, head.may_lack, attention)
        return module, _of_encoder(module, head, lacks)
    module = load_pretrained(model, folder, precision, head.auto_class, attention)
    if head.kind in ("image_features", "text_features"):
        _keep_one_tower(module, head.kind, of_texts=model.head == TEXTS)
    return module, head


def _of_encoder(module: Any, head: VisionHead, lacks: bool) -> VisionHead:
    """The head with the outputs that a first run gives; weights that are missing are random numbers."""
    try:
        with torch.inference_mode():
            given = FORWARDS[head.kind](module, _blank(module, head))
    except (RuntimeError, ValueError, TypeError, KeyError) as error:
        raise PreconditionError("the model takes no single images", reason="unsupported_model") from error
    left_out = {"pooler_output"} if lacks or "pooler_output" not in given else set()
    return replace(head, outputs={name: axes for name, axes in head.outputs.items() if name not in left_out})


def _blank(module: Any, head: VisionHead) -> dict[str, Any]:
    """What stands for an image of one colour."""
    channels, height, width = _sizes(module.config)
    if head.inputs[PIXELS] == len((1, channels, height, width)):
        return {PIXELS: torch.zeros(1, channels, height, width, dtype=module.dtype)}
    side, patch = math.isqrt(module.config.num_patches), module.config.patch_size
    pixels = torch.zeros(1, side * side, channels * patch * patch, dtype=module.dtype)
    seen = torch.ones(1, side * side, dtype=torch.int64)
    return {PIXELS: pixels, "pixel_attention_mask": seen, "spatial_shapes": torch.tensor([[side, side]])}


def _sizes(config: Any) -> tuple[int, int, int]:
    """Channels, height and width of an image that a model takes."""
    if own := (getattr(config, "pretrained_cfg", None) or {}).get("input_size"):  # timm's
        channels, height, width = own
        return channels, height, width
    side, channels = getattr(config, "image_size", _SIDE), getattr(config, "num_channels", 3)
    height, width = side if isinstance(side, list | tuple) else (side, side)
    return channels, height, width


def _keep_one_tower(module: Any, method: str, *, of_texts: bool) -> None:
    """Each part is loaded by itself, so that either runs on every engine as a model of its own."""
    if not hasattr(module, f"get_{method}"):
        raise PreconditionError("the model gives no vectors of images and texts", reason="unsupported_model")
    other = _TOWERS[0] if of_texts else _TOWERS[1]
    if hasattr(module, other):
        delattr(module, other)


#: In what models say of inputs that do not fit.
_OF_SIZES = ("size", "shape", "range")


class VisionModel(TensorModel):
    """A model of images, or of the texts beside them; float32 in and out whatever it computes in.

    Args:
        module: the model.
        head: what is run of it.
        precision: that it computes in.
        device: where its weights lie.
    """

    def __init__(self, module: Any, head: VisionHead, precision: str, device: TorchDevice = HOST) -> None:
        self.precision = precision
        self.inputs = [
            TensorSpec(name, "float32" if name == PIXELS else "int64", (-1,) * axes)
            for name, axes in head.inputs.items()
        ]
        self.outputs = [TensorSpec(name, "float32", (-1,) * axes) for name, axes in head.outputs.items()]
        self._module, self._device = module, device
        self._forward = FORWARDS[head.kind]

    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
        """Runs once.

        Raises:
            InvalidInputError: the inputs are of a size that the model does not take.
            OverloadedError: the memory of the device does not suffice.
        """
        names = outputs or [spec.name for spec in self.outputs]
        return run_within_memory(lambda arrays: self._run(arrays, names), arrays, self._device)

    def _run(self, arrays: Arrays, names: Sequence[str]) -> dict[str, np.ndarray[Any, Any]]:
        with torch.inference_mode():
            tensors = {spec.name: self._device.tensor(np.array(arrays[spec.name])) for spec in self.inputs}
            if PIXELS in tensors:
                tensors[PIXELS] = tensors[PIXELS].to(self._module.dtype)
            try:
                given = self._forward(self._module, tensors)
            except (RuntimeError, ValueError, IndexError) as error:  # models check sizes by errors of all three kinds
                if is_out_of_memory(error) or not any(word in str(error).lower() for word in _OF_SIZES):
                    raise
                raise InvalidInputError("the inputs' shapes do not fit the model", field="inputs") from error
            return {name: self._device.array(given[name]) for name in names}

    def close(self) -> None:
        """Frees the weights."""
        del self._module
