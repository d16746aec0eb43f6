"""The core keeps the contract of token models, over pages and over running states."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from generation_kinds.cores import VOCAB, core

from panope_backends.api import Backend, EncoderDecoderModel, LoadOptions, ModelFacts, StepModel, TokenModel
from panope_backends.testing import ChecksumBackend, ChecksumEncoderDecoderBackend, TokenModelContract


class CoreBackend(ChecksumBackend):
    """The core over a step model of checksums."""

    def __init__(self, blocks: int, kind: type[ChecksumBackend] = ChecksumBackend) -> None:
        self._blocks = blocks
        self._kind = kind

    # A model that samples comes of it, which the types do not know.
    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> TokenModel:  # type: ignore[override]
        loaded = self._kind().load(model, folder, device, options)
        assert isinstance(loaded, StepModel)
        if isinstance(loaded, EncoderDecoderModel):
            loaded.allocate_sources(8)
        return core(loaded, self._blocks, (END,), slots=8, step_tokens=32, max_step_tokens=64, decoder_token_ids=(1,))


END = 0


class TestOverPages(TokenModelContract):
    config: ClassVar = {"vocab_size": VOCAB, "block_size": 4, "max_positions": 200}
    blocks = 400

    @pytest.fixture
    def backend(self) -> Backend:
        return CoreBackend(self.blocks)

    @pytest.fixture
    def model(self) -> ModelFacts:
        return ModelFacts("test/core", "safetensors", config=self.config)


class TestOverTooFewPages(TestOverPages):
    """All requests together do not fit."""

    blocks = 30


class TestOverAnEncoder(TestOverPages):
    @pytest.fixture
    def backend(self) -> Backend:
        return CoreBackend(self.blocks, ChecksumEncoderDecoderBackend)


class TestOverAnEncoderAndTooFewPages(TestOverAnEncoder):
    blocks = 30


class TestOverStates(TestOverPages):
    config: ClassVar = {"vocab_size": VOCAB, "running_state": True, "max_positions": 200}
    blocks = 8


class TestOverTooFewStates(TestOverStates):
    blocks = 2
