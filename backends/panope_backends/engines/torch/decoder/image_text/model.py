"""The step model of an image-text model in PyTorch: a paged decoder that is given vectors instead of tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from panope_backends.api import ImageTextModel, PromptImage, StepBatch
from panope_backends.api.step_models.step_batch import Integers
from panope_backends.engines.torch.decoder.attention import AttentionLayer
from panope_backends.engines.torch.decoder.image_text.prompts import Prompt
from panope_backends.engines.torch.decoder.image_text.trial import compare, expected_logits
from panope_backends.engines.torch.decoder.image_text.vision_tower import VisionTower
from panope_backends.engines.torch.decoder.paged_model import TorchStepModel
from panope_backends.engines.torch.devices.torch_device import HOST, TorchDevice
from panope_backends.engines.torch.out_of_memory import refusing
from panope_backends.errors import InvalidInputError


class TorchImageTextModel(TorchStepModel, ImageTextModel):
    """A module of `AutoModelForImageTextToText` over pages.

    Args:
        module: loaded with this package's attention in its decoder.
        layers: the attention of its decoder, from `paged_layers`.
        precision: of its weights, and of the cache.
        max_positions: of one sequence.
        max_adapters: that it takes; they change the decoder alone.
        max_adapter_rank: of each of them.
        device: where its weights lie, and its cache.
    """

    def __init__(
        self,
        module: Any,
        layers: Sequence[AttentionLayer],
        precision: str,
        max_positions: int,
        max_adapters: int = 0,
        max_adapter_rank: int = 0,
        device: TorchDevice = HOST,
    ) -> None:
        super().__init__(module, layers, precision, max_positions, max_adapters, max_adapter_rank, device)
        self.image_token_id = image_token_id_of(module.config)
        self._tower = VisionTower(module, device)
        self._prompts: dict[int, Prompt] = {}

    def open_prompt(self, number: int, tokens: Integers, images: Sequence[PromptImage]) -> None:
        """Computes where each token is; no image is read."""
        self.check_images(tokens, images)
        self._prompts[number] = Prompt(self._tower, tokens, images)

    def read_image(self, number: int, index: int) -> None:
        """Runs the vision tower."""
        with refusing(self._device):
            self._prompts[number].read(index)

    def close_prompt(self, number: int) -> None:
        """Frees the vectors of its images."""
        self._prompts.pop(number, None)

    def prove(self, tokens: Integers, images: Sequence[PromptImage]) -> None:
        """Runs the prompt in parts that end within its image, and as transformers does, in its plainest attention."""
        self.check_images(tokens, images)
        compare(self, tokens, images, expected_logits(self._module, tokens, images, self._device))

    def forget(self) -> None:
        """Frees the cache and the prompts."""
        super().forget()
        self._prompts.clear()

    def close(self) -> None:
        """Frees the weights and all that is kept."""
        self._prompts.clear()
        del self._tower
        super().close()

    def _inputs(self, batch: StepBatch) -> Mapping[str, Any]:
        embeddings = self._module.get_input_embeddings()(self._device.tensor(batch.tokens))
        positions = self._device.tensor(batch.positions).repeat(self._tower.axes, 1)
        numbers = [] if batch.image_prompts is None else batch.image_prompts.tolist()
        for index, number in enumerate(numbers):
            if number < 0:
                continue
            if number not in self._prompts:
                raise InvalidInputError("a sequence has a prompt that is not open", field="image_prompts")
            begin, end = batch.token_begins[index : index + 2].tolist()
            past = int(batch.past_lengths[index])
            self._prompts[number].fill(embeddings[begin:end], past)
            positions[:, begin:end] = self._prompts[number].positions(past, past + end - begin)
        positions = positions if self._tower.axes == 1 else positions[:, None]
        return {"inputs_embeds": embeddings[None], "position_ids": positions}


def image_token_id_of(config: Any) -> int:
    """The token that stands for images; -1, which no token is, for a model that has none."""
    found = getattr(config, "image_token_id", None)
    found = getattr(config, "image_token_index", None) if found is None else found
    return found if isinstance(found, int) else -1
