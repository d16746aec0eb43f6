"""Encoder-decoders with one fault each, under the suite that must find it; see `broken_step_models`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest

from panope_backends.api import Backend, LoadOptions, ModelFacts, SourceSpec, StepBatch, StepModel
from panope_backends.api.step_models.step_batch import Integers
from panope_backends.testing import (
    ChecksumBackend,
    ChecksumEncoderDecoder,
    ChecksumStepModel,
    EncoderDecoderContract,
)

Array = np.ndarray[Any, Any]


class Broken(EncoderDecoderContract):
    """Runs the suite on `Model`."""

    Model: ClassVar[type[ChecksumEncoderDecoder]]
    caught_by: ClassVar[str]

    @pytest.fixture
    def backend(self) -> Backend:
        kind = self.Model

        class FaultyBackend(ChecksumBackend):
            def load(self, model: ModelFacts, folder: Any, device: str, options: LoadOptions) -> StepModel:
                super().load(model, folder, device, options)
                return kind(model.config)

        return FaultyBackend()

    @pytest.fixture
    def model(self) -> ModelFacts:
        return ModelFacts("test/broken", "safetensors", config={})

    def answer_reference(self, source: list[int], tokens: list[int]) -> Array:
        right = ChecksumEncoderDecoder({})
        right.allocate(self.blocks)
        right.allocate_sources(1)
        right.encode(0, source)
        return self.whole(right, tokens, range(self.blocks))


class TestNoLimitIsTold(Broken):
    caught_by = "test_limits_of_sources_are_told"

    class Model(ChecksumEncoderDecoder):
        def __init__(self, config: Mapping[str, Any]) -> None:
            super().__init__(config)
            self.source = SourceSpec(self.source.max_length, 0)


class TestCutSources(Broken):
    caught_by = "test_sources_of_all_lengths_give_what_the_reference_says"

    class Model(ChecksumEncoderDecoder):
        def encode(self, source: int, tokens: Integers) -> None:
            super().encode(source, tokens)
            super().encode(source, tokens[:8])


class TestNoPlacesInSources(Broken):
    caught_by = "test_every_token_of_a_source_matters_and_so_does_its_place"

    class Model(ChecksumEncoderDecoder):
        def encode(self, source: int, tokens: Integers) -> None:
            super().encode(source, sorted(tokens))


class TestFirstSourceStays(Broken):
    caught_by = "test_a_source_encoded_again_takes_the_place_of_the_first"

    class Model(ChecksumEncoderDecoder):
        def encode(self, source: int, tokens: Integers) -> None:
            before = self._sums.get(source)
            super().encode(source, tokens)
            if before is not None:
                self._sums[source] += before


class TestOneSourceForAll(Broken):
    caught_by = "test_other_sources_do_not_matter"

    class Model(ChecksumEncoderDecoder):
        def encode(self, source: int, tokens: Integers) -> None:
            super().encode(source, tokens)
            self._sums = dict.fromkeys(self._sums, self._sums[source])


class TestSourcesInTheirOwnOrder(Broken):
    caught_by = "test_sequences_of_several_sources_run_side_by_side"

    class Model(ChecksumEncoderDecoder):
        def _checksums(self, batch: StepBatch) -> Array:
            assert batch.sources is not None
            batch.sources.sort()
            return super()._checksums(batch)


class TestSourceOfOneSequence(Broken):
    caught_by = "test_sequences_may_look_at_the_same_source"

    class Model(ChecksumEncoderDecoder):
        def forward(self, batch: StepBatch) -> Array:
            assert batch.sources is not None
            if len(set(batch.sources.tolist())) < len(batch.sources):
                batch.sources[:] = np.arange(len(batch.sources))
            return super().forward(batch)


class TestSourcesGoWithTheCache(Broken):
    caught_by = "test_sources_outlive_a_new_cache"

    class Model(ChecksumEncoderDecoder):
        def allocate(self, blocks: int) -> None:
            super().allocate(blocks)
            self._sums = dict.fromkeys(getattr(self, "_sums", {}), 0)


class TestWritesOverTexts(Broken):
    caught_by = "test_what_is_encoded_is_only_read"

    class Model(ChecksumEncoderDecoder):
        def encode(self, source: int, tokens: Integers) -> None:
            super().encode(source, tokens)
            np.asarray(tokens).sort()


class TestAnyNumberIsASource(Broken):
    caught_by = "test_a_source_that_does_not_exist_is_refused"

    class Model(ChecksumEncoderDecoder):
        def encode(self, source: int, tokens: Integers) -> None:
            super().encode(source % self.sources, tokens)


class TestUnknownSourceIsTaken(Broken):
    caught_by = "test_a_source_that_was_not_encoded_is_refused"

    class Model(ChecksumEncoderDecoder):
        def forward(self, batch: StepBatch) -> Array:
            assert batch.sources is not None
            for source in batch.sources.tolist():
                self._sums.setdefault(source, 0)
            return super().forward(batch)


class TestNoSourceIsTaken(Broken):
    caught_by = "test_a_sequence_without_a_source_is_refused"

    class Model(ChecksumEncoderDecoder):
        def forward(self, batch: StepBatch) -> Array:
            if batch.sources is None:
                return ChecksumStepModel.forward(self, StepBatch(**vars(batch) | {"sources": np.zeros(1, np.int32)}))
            return super().forward(batch)


class TestRefusedTextIsLost(Broken):
    caught_by = "test_a_text_that_cannot_be_encoded_is_refused_and_leaves_the_source"

    class Model(ChecksumEncoderDecoder):
        def encode(self, source: int, tokens: Integers) -> None:
            self._sums.pop(source, None)
            super().encode(source, tokens)


class TestNoLimitOfSources(Broken):
    caught_by = "test_sources_that_memory_cannot_hold_are_refused_and_fewer_taken"

    class Model(ChecksumEncoderDecoder):
        def allocate_sources(self, sources: int) -> None:
            super().allocate_sources(1)
            self.sources = sources
