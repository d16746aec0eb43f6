"""An encoder-decoder without weights, whose logits go wrong at the slightest mistake of its caller."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from panope_backends.api import EncoderDecoderModel, LoadOptions, ModelFacts, SourceSpec, StepBatch
from panope_backends.api.step_models.step_batch import Integers
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.testing.checksum_step_model import Array, ChecksumBackend, ChecksumStepModel

#: Numbers that 32 GB hold.
_MOST_KEPT = 1 << 32


class ChecksumEncoderDecoder(ChecksumStepModel, EncoderDecoderModel):
    """A source adds its own checksum, times its length, to that of each sequence that looks at it.

    Args:
        config: as of `ChecksumStepModel`, and `max_source_length` (64).
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.source = SourceSpec(config.get("max_source_length", 64), 8)
        self.encoded_tokens: list[int] = []
        """How many tokens each text had that was encoded, for tests of what a scheduler asks for."""
        self._sums: dict[int, int] = {}

    def allocate_sources(self, sources: int) -> None:
        """Forgets all sources."""
        self.sources, self._sums = 0, {}
        if sources * self.source.max_length > _MOST_KEPT:
            raise PreconditionError("the sources need more memory than there is", reason="out_of_memory")
        self.sources = sources

    def encode(self, source: int, tokens: Integers) -> None:
        """Keeps a checksum."""
        self.check_source(source, tokens)
        self.encoded_tokens.append(len(tokens))
        self._sums[source] = len(tokens) * self._checksum(np.asarray(tokens, np.int64) + 1)

    def forward(self, batch: StepBatch) -> Array:
        """Runs one step, unless a source was not encoded."""
        self.check(batch)
        assert batch.sources is not None
        if not set(batch.sources.tolist()) <= self._sums.keys():
            raise InvalidInputError("a sequence looks at a source that was not encoded", field="sources")
        return super().forward(batch)

    def _checksums(self, batch: StepBatch) -> Array:
        assert batch.sources is not None
        sequences = np.searchsorted(batch.token_begins, batch.sampled, side="right") - 1
        of_sources = [self._sums[source] for source in batch.sources[sequences].tolist()]
        sums: Array = super()._checksums(batch) + np.array(of_sources, np.int64)
        return sums


class ChecksumEncoderDecoderBackend(ChecksumBackend):
    """Loads the encoder-decoder of checksums."""

    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> ChecksumEncoderDecoder:
        """Takes any folder."""
        super().load(model, folder, device, options)  # which refuses what it cannot honour
        return ChecksumEncoderDecoder(model.config)
