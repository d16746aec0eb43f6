"""The step model of decoders of which nothing can be kept between steps."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import torch

from panope_backends.api import StepBatch
from panope_backends.engines.torch.decoder.loading import vocab_size_of
from panope_backends.engines.torch.decoder.rerunning import RerunningModel
from panope_backends.engines.torch.devices.torch_device import HOST, TorchDevice
from panope_backends.engines.torch.out_of_memory import refusing

Array = np.ndarray[Any, Any]

#: Tokens of the trial at loading, and of its beginning, which runs alone too.
_TRIED, _FIRST = 40, 20

#: Ids before it are often of padding and other marks, which some types treat apart.
_USUAL_IDS = 8

#: Of a model whose configuration names no end.
_USUAL = 2048


class TorchRerunDecoder(RerunningModel):
    """A module of transformers that runs each text from its beginning at each step.

    Args:
        module: loaded with an attention of transformers'.
        precision: of its weights.
        max_positions: of one sequence; 0 where the configuration does not tell.
        device: where its weights lie.

    Raises:
        PreconditionError: what it says of a text changes with what comes after it, or with what ran before.
    """

    def __init__(self, module: Any, precision: str, max_positions: int, device: TorchDevice = HOST) -> None:
        super().__init__(module, precision, max_positions or _USUAL, device)
        self.vocab_size = vocab_size_of(module)
        self._keeps = "use_cache" in inspect.signature(module.forward).parameters
        self._try()

    def forward(self, batch: StepBatch) -> Array:
        """Runs each text whose tokens are sampled."""
        self.check(batch)
        logits = np.empty((len(batch.sampled), self.vocab_size), np.float32)
        with refusing(self._device):
            for text in self._texts.of(batch):
                if len(text.rows):
                    logits[text.rows] = self._logits(text.tokens, text.places)
        return logits

    def _logits(self, tokens: Array, places: Array) -> Array:
        with torch.inference_mode():
            ids = self._device.tensor(tokens)[None]
            made = self._module(input_ids=ids, **({"use_cache": False} if self._keeps else {}))
            return self._device.array(made.logits[0, self._device.tensor(places)])

    def _try(self) -> None:
        """Runs a text, its beginning, another text, and its beginning again."""
        count = min(_TRIED, self.max_positions)
        first = max(1, min(_FIRST, count - 1))
        tokens = (_USUAL_IDS + np.arange(count, dtype=np.int64)) % self.vocab_size
        last = np.array([first - 1])
        found = [self._logits(tokens, last), self._logits(tokens[:first], last)]
        self._logits(tokens[::-1].copy(), last)
        found.append(self._logits(tokens[:first], last))
        self._refuse_others(found)
