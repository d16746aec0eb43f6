"""The step model of encoder-decoders whose decoder keeps nothing between steps; the encoder reads each source once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from panope_backends.api import EncoderDecoderModel, SourceSpec, StepBatch
from panope_backends.api.step_models.step_batch import Integers
from panope_backends.engines.host import memory_bytes
from panope_backends.engines.torch.decoder.rerunning import RerunningModel
from panope_backends.engines.torch.devices.torch_device import HOST, TorchDevice
from panope_backends.engines.torch.out_of_memory import refusing
from panope_backends.errors import InvalidInputError, PreconditionError

Array = np.ndarray[Any, Any]

#: Tokens of the trial's source, of its text, and of the text's beginning, which runs alone too.
_SOURCE, _TRIED, _FIRST = 12, 10, 5

#: Ids before it are often of padding and other marks, which some types treat apart.
_USUAL_IDS = 8


class TorchRerunEncoderDecoder(RerunningModel, EncoderDecoderModel):
    """A module of transformers whose decoder runs each text from its beginning at each step.

    Args:
        module: loaded with an attention of transformers'.
        precision: of its weights.
        max_length: of a source, and of the decoder.
        device: where its weights lie.

    Raises:
        PreconditionError: what its decoder says of a text changes with what comes after it, or with what ran before.
    """

    def __init__(self, module: Any, precision: str, max_length: int, device: TorchDevice = HOST) -> None:
        super().__init__(module, precision, max_length, device)
        self._sources: dict[int, Mapping[str, Any]] = {}
        any_source = self._encoded(np.full(1, _USUAL_IDS))
        self.vocab_size = int(self._run(any_source, np.full(1, _USUAL_IDS)).shape[-1])
        width = int(any_source["encoder_outputs"].last_hidden_state.shape[-1])
        self.source = SourceSpec(max_length, width * module.dtype.itemsize)
        self._try()

    def allocate_sources(self, sources: int) -> None:
        """Forgets all sources; each one's memory is taken when it is encoded."""
        self._sources, self.sources = {}, 0
        free = self._device.free_bytes()
        if sources * self.source.max_length * self.source.token_bytes > (memory_bytes() if free is None else free):
            raise PreconditionError("the sources need more memory than there is", reason="out_of_memory")
        self.sources = sources

    def encode(self, source: int, tokens: Integers) -> None:
        """Runs the encoder."""
        self.check_source(source, tokens)
        self._sources.pop(source, None)
        with refusing(self._device):
            self._sources[source] = self._encoded(np.asarray(tokens, np.int64))

    def forward(self, batch: StepBatch) -> Array:
        """Runs each text whose tokens are sampled."""
        self.check(batch)
        assert batch.sources is not None
        sources = batch.sources.tolist()
        if any(source not in self._sources for source in sources):
            raise InvalidInputError("a sequence looks at a source that was not encoded", field="sources")
        logits = np.empty((len(batch.sampled), self.vocab_size), np.float32)
        with refusing(self._device):
            for text in self._texts.of(batch):
                if len(text.rows):
                    logits[text.rows] = self._run(self._sources[sources[text.number]], text.tokens)[text.places]
        return logits

    def close(self) -> None:
        """Frees the weights and what is kept."""
        self._sources = {}
        super().close()

    def _encoded(self, tokens: Array) -> Mapping[str, Any]:
        """A source as the module takes it; of some types only those that are given its tokens too look back alone."""
        ids = self._device.tensor(tokens)[None]
        with torch.inference_mode():
            return {"input_ids": ids, "encoder_outputs": self._module.get_encoder()(input_ids=ids, return_dict=True)}

    def _run(self, source: Mapping[str, Any], tokens: Array) -> Array:
        """The logits of all tokens."""
        with torch.inference_mode():
            made = self._module(**source, decoder_input_ids=self._device.tensor(tokens)[None], use_cache=False)
            return self._device.array(made.logits[0])

    def _try(self) -> None:
        """Runs a text, its beginning, another text, and its beginning again."""
        source = self._encoded((_USUAL_IDS + np.arange(_SOURCE)) % self.vocab_size)
        tokens = (_USUAL_IDS + 3 * np.arange(min(_TRIED, self.max_positions))) % self.vocab_size
        first = max(1, min(_FIRST, len(tokens) - 1))
        found = [self._run(source, tokens)[first - 1], self._run(source, tokens[:first])[-1]]
        self._run(source, tokens[::-1].copy())
        found.append(self._run(source, tokens[:first])[-1])
        self._refuse_others(found)
