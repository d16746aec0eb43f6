"""What step models share that keep nothing between steps but the tokens of each text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from panope_backends.api import StepModel
from panope_backends.engines.torch.decoder.loading import LOGITS_TOLERANCE
from panope_backends.engines.torch.decoder.rerun_texts import Texts, texts_cache
from panope_backends.engines.torch.devices.torch_device import TorchDevice
from panope_backends.errors import PreconditionError

Array = np.ndarray[Any, Any]


class RerunningModel(StepModel):
    """A module of transformers that runs each text from its beginning at each step.

    Args:
        module: loaded with an attention of transformers'.
        precision: of its weights.
        max_positions: of one sequence.
        device: where its weights lie.
    """

    def __init__(self, module: Any, precision: str, max_positions: int, device: TorchDevice) -> None:
        self.precision = precision
        self.max_positions = max_positions
        self.cache = texts_cache(max_positions, precision)
        self._module, self._device = module, device
        self._texts = Texts()

    def allocate(self, blocks: int) -> None:
        """Forgets all sequences."""
        self.blocks = 0
        self._texts.allocate(blocks, self.cache)
        self.blocks = blocks

    def copy_blocks(self, copies: Sequence[tuple[int, int]]) -> None:
        """Copies tokens."""
        self.check_copies(copies)
        self._texts.copy(copies)

    def free_memory_bytes(self) -> int | None:
        """Of a GPU's own memory."""
        return self._device.free_bytes()

    def close(self) -> None:
        """Frees the weights and what is kept."""
        self._texts.clear()
        del self._module
        self._device.forget_unused()

    def _refuse_others(self, found: Sequence[Array]) -> None:
        """Refuses a module that gave other logits of one token, by what came after it or by what ran before."""
        most = LOGITS_TOLERANCE[self.precision] * np.abs(found[0]).max()
        if not all(np.abs(each - found[0]).max() <= most for each in found):
            raise PreconditionError(
                "what the model says of a text changes with what comes after it, or with what ran before",
                reason="unsupported_model",
            )
