"""What step models share whose decoder keeps nothing between steps, and whose encoder reads each source once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from panope_backends.api import EncoderDecoderModel, StepBatch
from panope_backends.engines.torch.decoder.rerunning import RerunningModel
from panope_backends.engines.torch.devices.torch_device import HOST, TorchDevice
from panope_backends.engines.torch.out_of_memory import refusing
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.host.memory import memory_bytes

Array = np.ndarray[Any, Any]

#: Tokens of the trial's text, and of its beginning, which runs alone too.
_TRIED, _FIRST = 10, 5

USUAL_IDS = 8
"""Ids before it are often of padding and other marks, which some types treat apart."""


class RerunningWithSources(RerunningModel, EncoderDecoderModel):
    """A module of transformers whose decoder runs each text from its beginning at each step, beside a source.

    Args:
        module: loaded with an attention of transformers'.
        precision: of its weights.
        max_length: of the decoder.
        device: where its weights lie.
    """

    def __init__(self, module: Any, precision: str, max_length: int, device: TorchDevice = HOST) -> None:
        super().__init__(module, precision, max_length, device)
        self._sources: dict[int, Any] = {}

    @abstractmethod
    def _encoded(self, given: Array) -> Any:
        """A source as `_run` takes it."""

    @abstractmethod
    def _run(self, source: Any, tokens: Array) -> Array:
        """The logits of all tokens of a text beside a source."""

    def allocate_sources(self, sources: int) -> None:
        """Forgets all sources; each one's memory is taken when it is encoded."""
        self._sources, self.sources = {}, 0
        free = self._device.free_bytes()
        if sources * self.source.max_length * self.source.token_bytes > (memory_bytes() if free is None else free):
            raise PreconditionError("the sources need more memory than there is", reason="out_of_memory")
        self.sources = sources

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

    def _read(self, source: int, given: Array) -> None:
        """Runs the encoder."""
        self._sources.pop(source, None)
        with refusing(self._device):
            self._sources[source] = self._encoded(given)

    def _try(self, source: Any, prompt: Sequence[int] = ()) -> None:
        """Runs a text, its beginning, another text, and its beginning again.

        Args:
            source: as `_encoded` makes it.
            prompt: tokens that stand before every text.

        Raises:
            PreconditionError: what is said of a text changes with what comes after it, or with what ran before.
        """
        most = min(_TRIED, self.max_positions - len(prompt))
        answer = (USUAL_IDS + 3 * np.arange(most)) % self.vocab_size
        first = max(1, min(_FIRST, len(answer) - 1))
        before = np.array(prompt, np.int64)
        whole, beginning = np.concatenate([before, answer]), np.concatenate([before, answer[:first]])
        found = [self._run(source, whole)[len(beginning) - 1], self._run(source, beginning)[-1]]
        self._run(source, np.concatenate([before, answer[::-1]]))
        found.append(self._run(source, beginning)[-1])
        self._refuse_others(found)
