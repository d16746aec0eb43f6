"""The step model of encoder-decoders whose decoder keeps nothing between steps; the encoder reads each source once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from panope_backends.api import SourceSpec
from panope_backends.api.step_models.step_batch import Integers
from panope_backends.engines.torch.devices.torch_device import HOST, TorchDevice
from panope_backends.engines.torch.encoder_decoder.rerun_sources import USUAL_IDS, RerunningWithSources

Array = np.ndarray[Any, Any]

#: Tokens of the trial's source.
_SOURCE = 12


class TorchRerunEncoderDecoder(RerunningWithSources):
    """A module of transformers whose decoder runs each text from its beginning at each step.

    Args:
        module: loaded with an attention of transformers'.
        precision: of its weights.
        max_length: of the decoder.
        source_length: of a source at most.
        device: where its weights lie.

    Raises:
        PreconditionError: what its decoder says of a text changes with what comes after it, or with what ran before.
    """

    def __init__(
        self, module: Any, precision: str, max_length: int, source_length: int, device: TorchDevice = HOST
    ) -> None:
        super().__init__(module, precision, max_length, device)
        any_source = self._encoded(np.full(1, USUAL_IDS))
        self.vocab_size = int(self._run(any_source, np.full(1, USUAL_IDS)).shape[-1])
        width = int(any_source["encoder_outputs"].last_hidden_state.shape[-1])
        self.source = SourceSpec(source_length, width * module.dtype.itemsize)
        self._try(self._encoded((USUAL_IDS + np.arange(_SOURCE)) % self.vocab_size))

    def encode(self, source: int, tokens: Integers) -> None:
        """Runs the encoder."""
        self.check_source(source, tokens)
        self._read(source, np.asarray(tokens, np.int64))

    def _encoded(self, given: Array) -> Mapping[str, Any]:
        """A source as the module takes it; of some types only those that are given its tokens too look back alone."""
        ids = self._device.tensor(given)[None]
        with torch.inference_mode():
            return {"input_ids": ids, "encoder_outputs": self._module.get_encoder()(input_ids=ids, return_dict=True)}

    def _run(self, source: Mapping[str, Any], tokens: Array) -> Array:
        with torch.inference_mode():
            made = self._module(**source, decoder_input_ids=self._device.tensor(tokens)[None], use_cache=False)
            return self._device.array(made.logits[0])
