"""A model that sees images, without weights, whose logits go wrong at the slightest mistake of its caller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from panope_backends.api import ImageTextModel, PromptImage, StepBatch
from panope_backends.api.step_models.step_batch import Integers
from panope_backends.errors import InvalidInputError
from panope_backends.testing.checksum_step_model import ChecksumStepModel

_MOST = 1 << 16


class ChecksumImageTextModel(ChecksumStepModel, ImageTextModel):
    """An image is one number, `inputs["number"]`; the cells of its places tell it and how many were before.

    Args:
        config: as of `ChecksumStepModel`, and `image_token_id` (63).
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.image_token_id = config.get("image_token_id", 63)
        self.read: list[int] = []
        """The number of each image that was read, for tests of what a scheduler asks for."""
        self._prompts: dict[int, list[PromptImage]] = {}
        self._values: dict[int, dict[int, int]] = {}

    @property
    def open_prompts(self) -> int:
        """How many there are."""
        return len(self._prompts)

    def open_prompt(self, number: int, tokens: Integers, images: Sequence[PromptImage]) -> None:
        """Keeps the images."""
        self.check_images(tokens, images)
        self._prompts[number], self._values[number] = list(images), {}

    def read_image(self, number: int, index: int) -> None:
        """Keeps a value for each place."""
        image = self._prompts[number][index]
        seen = int(image.inputs["number"][0])
        self.read.append(seen)
        for row, place in enumerate(image.places):
            self._values[number][int(place)] = _MOST + seen * len(image.places) + row

    def close_prompt(self, number: int) -> None:
        """Forgets it."""
        self._prompts.pop(number, None)
        self._values.pop(number, None)

    def _write(self, batch: StepBatch) -> None:
        super()._write(batch)
        if batch.image_prompts is None:
            return
        for index, number in enumerate(batch.image_prompts.tolist()):
            past, total = int(batch.past_lengths[index]), int(batch.total_lengths[index])
            for image in self._prompts[number] if number >= 0 else ():
                for place in (int(each) for each in image.places if past <= each < total):
                    if place not in self._values[number]:
                        raise InvalidInputError("an image was not read", field="image_prompts")
                    block = self._table(batch, index)[place // self.cache.block_size]
                    self._cells[block, place % self.cache.block_size] = self._values[number][place]


def checksum_image(number: int, places: Sequence[int]) -> PromptImage:
    """An image for it."""
    return PromptImage(tuple(places), {"number": np.array([number])}, f"{number}: {len(places)}".encode())
