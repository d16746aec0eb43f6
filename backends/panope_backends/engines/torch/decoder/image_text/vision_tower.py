"""What a model of transformers makes of an image: vectors for the places of its tokens, and their positions."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from panope_backends.api import PromptImage
from panope_backends.api.step_models.step_batch import Integers
from panope_backends.engines.torch.devices.torch_device import HOST, TorchDevice
from panope_backends.errors import InvalidInputError


class VisionTower:
    """The part of a module that reads images, by the two methods that transformers has for all families.

    Args:
        module: of `AutoModelForImageTextToText`.
        device: where its weights lie.

    Attributes:
        device: as it was given.
        axes: of a token's position: 1, or 3 where images have positions in time, height and width.
    """

    def __init__(self, module: Any, device: TorchDevice = HOST) -> None:
        self.device = device
        self._core = module.base_model
        self._takes = inspect.signature(self._core.get_image_features).parameters
        self._dtype = module.dtype
        self.axes = 3 if hasattr(self._core, "get_rope_index") else 1

    def vectors(self, image: PromptImage) -> Any:
        """One for each place of an image, `[places, hidden size]`.

        Raises:
            InvalidInputError: there are more or fewer.
        """
        given = {name: value for name, value in tensors_of([image], self.device).items() if name in self._takes}
        with torch.inference_mode():
            made = self._core.get_image_features(**given, return_dict=True).pooler_output
            parts = made if isinstance(made, list | tuple) else [made]
            vectors = torch.cat([part.reshape(-1, part.shape[-1]) for part in parts]).to(self._dtype)
        if len(vectors) != len(image.places):
            raise InvalidInputError.at(
                "images",
                "{field}: the model makes {found:,} vectors of an image that has {places:,} places in the prompt",
                found=len(vectors),
                places=len(image.places),
            )
        return vectors

    def positions(self, tokens: Integers, images: Sequence[PromptImage]) -> tuple[Any, int]:
        """Where each token of a prompt is, `[axes, tokens]`, and what those behind it are moved by.

        Images take fewer positions than they have places where they have three axes.
        """
        if self.axes == 1:
            return self.device.tensor(np.arange(len(tokens)))[None], 0
        takes = inspect.signature(self._core.get_rope_index).parameters
        given = {name: value for name, value in tensors_of(images, self.device).items() if name in takes}
        types = np.zeros(len(tokens), np.int64)
        for image in images:
            types[np.asarray(image.places)] = 1
        with torch.inference_mode():
            positions, moved = self._core.get_rope_index(
                input_ids=self.device.tensor(np.asarray(tokens, np.int64))[None],
                mm_token_type_ids=self.device.tensor(types)[None],
                **given,
            )
        return positions[:, 0], int(moved.reshape(-1)[0])


def tensors_of(images: Sequence[PromptImage], device: TorchDevice = HOST) -> Mapping[str, Any]:
    """What a library is given of several images; those that do not fit beside each other are left out."""
    made = {}
    for name in images[0].inputs:
        arrays = [np.ascontiguousarray(image.inputs[name]) for image in images]
        if len({array.shape[1:] for array in arrays}) == 1:
            made[name] = device.tensor(np.concatenate(arrays))
    return made
