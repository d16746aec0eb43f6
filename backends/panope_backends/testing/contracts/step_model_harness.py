"""What the tests of step models are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from panope_backends.api import (
    EncoderDecoderModel,
    LoadedModel,
    StepBatch,
    StepModel,
    StepSequence,
)
from panope_backends.testing.contracts.backend import BackendContract

Array = np.ndarray[Any, Any]


class StepModelHarness(BackendContract):
    """The fixtures and helpers of the suite; the fixtures `backend` and `model` must be given."""

    kind = StepModel

    tolerance = 1e-5
    """How far logits may differ, as a part of the largest; wider for caches and precisions below fp32."""

    most_tokens = 600
    """The length of no test's sequence is above this."""

    blocks = 24
    """Of the cache that the tests run with."""

    sources = 4
    """Of an encoder-decoder that the tests run with; all tests that name none look at the first."""

    def reference(self, tokens: list[int]) -> Array | None:
        """The right logits after each token, where something else can tell them."""
        return None

    def use(self, loaded: LoadedModel) -> None:
        """Runs one step."""
        assert isinstance(loaded, StepModel)
        self.make_ready(loaded, 2)
        self.run(loaded, StepSequence([1], 0, [0]))

    def make_ready(self, decoder: StepModel, blocks: int) -> None:
        """Gives the model a cache, and a source to look at where it has an encoder."""
        decoder.allocate(blocks)
        if isinstance(decoder, EncoderDecoderModel):
            decoder.allocate_sources(self.sources)
            decoder.encode(0, self.source_text(decoder))

    def source_text(self, decoder: EncoderDecoderModel, seed: int = 0, length: int = 0) -> list[int]:
        """Random tokens of a source, 7 of them where the model takes so many."""
        length = length or min(7, decoder.source.max_length)
        tokens: list[int] = np.random.default_rng(100 + seed).integers(0, decoder.vocab_size, length).tolist()
        return tokens

    @pytest.fixture
    def decoder(self, loaded: LoadedModel) -> StepModel:
        """The model with a cache."""
        assert isinstance(loaded, StepModel)
        self.make_ready(loaded, self.blocks)
        return loaded

    def text(self, decoder: StepModel, seed: int = 0, length: int = 0) -> list[int]:
        """Random tokens: more than two blocks of them where the model has so many positions."""
        length = length or min(2 * decoder.cache.block_size + 3, decoder.max_positions, self.most_tokens)
        tokens: list[int] = np.random.default_rng(seed).integers(0, decoder.vocab_size, length).tolist()
        return tokens

    def block_table(self, decoder: StepModel, length: int, blocks: Sequence[int]) -> list[int]:
        """The first of `blocks`, as many as `length` positions need."""
        return list(blocks[: -(-length // decoder.cache.block_size)])

    def part(
        self,
        decoder: StepModel,
        tokens: list[int],
        begin: int,
        end: int,
        blocks: Sequence[int],
        sampled: Sequence[int] | None = None,
    ) -> StepSequence:
        """The tokens from `begin` to `end` as a part of a step; every one is sampled unless told otherwise."""
        rows = range(end - begin) if sampled is None else sampled
        source = 0 if isinstance(decoder, EncoderDecoderModel) else None
        return StepSequence(tokens[begin:end], begin, self.block_table(decoder, end, blocks), rows, source)

    def run(self, decoder: StepModel, *parts: StepSequence) -> Array:
        """One step; a copy of its logits."""
        if isinstance(decoder, EncoderDecoderModel):
            parts = tuple(part if part.source is not None else replace(part, source=0) for part in parts)
        return decoder.forward(StepBatch.of(parts)).copy()

    def whole(self, decoder: StepModel, tokens: list[int], blocks: Sequence[int]) -> Array:
        """The logits after every token, from one step."""
        return self.run(decoder, self.part(decoder, tokens, 0, len(tokens), blocks))

    def chunked(
        self, decoder: StepModel, tokens: list[int], blocks: Sequence[int], chunk: int, begin: int = 0
    ) -> Array:
        """The logits after every token from `begin` on, from steps of `chunk` tokens."""
        begins = range(begin, len(tokens), chunk)
        ends = [min(start + chunk, len(tokens)) for start in begins]
        parts = (self.part(decoder, tokens, *ends, blocks) for ends in zip(begins, ends, strict=True))
        return np.concatenate([self.run(decoder, part) for part in parts])

    def assert_same(self, found: Array, expected: Array) -> None:
        """Compares logits within the tolerance."""
        assert found.shape == expected.shape
        np.testing.assert_allclose(
            found, expected, rtol=0, atol=self.tolerance * max(1.0, float(np.abs(expected).max()))
        )
