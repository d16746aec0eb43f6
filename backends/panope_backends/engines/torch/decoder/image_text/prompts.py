"""What is kept of the prompts with images that run: the images' vectors, and where each token is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from panope_backends.api import PromptImage
from panope_backends.api.step_models.step_batch import Integers
from panope_backends.engines.torch.decoder.image_text.vision_tower import VisionTower
from panope_backends.errors import InvalidInputError


class Prompt:
    """One prompt with images.

    Args:
        tower: that reads them.
        tokens: of the whole prompt.
        images: at least one.
    """

    def __init__(self, tower: VisionTower, tokens: Integers, images: Sequence[PromptImage]) -> None:
        self._tower, self._images = tower, tuple(images)
        self._places = [np.asarray(image.places, np.int64) for image in images]
        self._vectors: dict[int, Any] = {}
        self._positions, self._moved = tower.positions(tokens, images)

    def read(self, index: int) -> None:
        """Reads an image and keeps its vectors."""
        self._vectors[index] = self._tower.vectors(self._images[index])

    def fill(self, embeddings: Any, past: int) -> None:
        """Puts images in their places.

        Args:
            embeddings: of the tokens from the position `past` on, `[tokens, hidden size]`; changed in place.
            past: the position of the first.

        Raises:
            InvalidInputError: an image was not read.
        """
        for index, places in enumerate(self._places):
            first, last = np.searchsorted(places, (past, past + len(embeddings)))
            if first == last:
                continue
            if index not in self._vectors:
                raise InvalidInputError("a step computes places of an image that was not read", field="image_prompts")
            embeddings[self._tower.device.tensor(places[first:last] - past)] = self._vectors[index][first:last]

    def positions(self, past: int, total: int) -> Any:
        """Where the tokens between two positions are, `[axes, tokens]`."""
        length = self._positions.shape[1]
        answer = self._tower.device.tensor(np.arange(max(past, length), max(total, length)) + self._moved)
        return torch.cat([self._positions[:, past:total], answer.expand(len(self._positions), -1)], dim=1)
