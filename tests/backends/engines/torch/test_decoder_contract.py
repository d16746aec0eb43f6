"""Decoders of every family in PyTorch pass the suite of step models, with transformers as their reference."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panope_backends.api import Backend, Level, ModelFacts
from panope_backends.engines.torch import CpuBackend
from panope_backends.testing import StepModelContract
from panope_backends.testing.decoders import FAMILIES, UNPAGED_FAMILIES, reference_logits, tiny_decoder

#: Grouped heads; a window, sinks and experts; keys and values of different sizes.
PAGED = ("llama", "gpt-oss", "deepseek-v3")

#: A state that goes on by single tokens alone; attention of its own; a soft cap of scores, with a window; a state that
#: no cache holds, so that each text runs anew.
UNPAGED = ("mamba", "bloom", "gemma2", "rwkv")


class OfFamily(StepModelContract):
    """The suite with one family's decoder."""

    @pytest.fixture
    def backend(self) -> Backend:
        return CpuBackend()

    @pytest.fixture
    def folder(self, family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp(family)

    @pytest.fixture
    def model(self, family: str, folder: Path) -> ModelFacts:
        self._written = folder
        return tiny_decoder(folder, family)

    def reference(self, tokens: list[int]) -> np.ndarray[Any, Any]:
        return reference_logits(self._written, tokens)


class TestPaged(OfFamily):
    @pytest.fixture(params=PAGED)
    def family(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)


class TestUnpaged(OfFamily):
    # Sums of a state are of another order where its tokens come one by one.
    tolerance = 1e-4

    @pytest.fixture(params=UNPAGED)
    def family(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)


@pytest.mark.slow
class TestEveryPagedFamily(OfFamily):
    @pytest.fixture(params=sorted(set(FAMILIES) - set(PAGED)))
    def family(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)


@pytest.mark.slow
class TestEveryUnpagedFamily(OfFamily):
    tolerance = 1e-4

    @pytest.fixture(params=sorted(set(UNPAGED_FAMILIES) - set(UNPAGED)))
    def family(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)


@pytest.mark.parametrize("family", [*PAGED, *UNPAGED])
def test_what_can_be_paged_is(tmp_path: Path, family: str) -> None:
    facts = tiny_decoder(tmp_path, family)
    backend = CpuBackend()
    (device,) = backend.devices()
    paged = family in FAMILIES
    assert backend.supports(facts, device).level is (Level.FULL if paged else Level.PARTIAL)
