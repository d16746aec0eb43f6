"""Decoders of every family in OpenVINO pass the suite of step models, with transformers as their reference."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from panope_backends.api import Backend, Device, LoadedModel, LoadOptions, ModelFacts
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.testing import StepModelContract
from panope_backends.testing.decoders import FAMILIES

#: Grouped heads; a window, sinks and experts. The others, such as keys and values of different sizes, take minutes.
SAMPLE = ("llama", "gpt-oss")


class Exact(OpenVinoBackend):
    """The backend as the suite compares it: in float32 unless another precision is asked for."""

    def __init__(self, cache: str = "fp32") -> None:
        super().__init__()
        self.cache = cache

    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> LoadedModel:
        precision, cache = options.precision or "fp32", options.cache_precision or self.cache
        return super().load(model, folder, device, replace(options, precision=precision, cache_precision=cache))


Kept = dict[tuple[type, str], Any]


@pytest.fixture(scope="module")
def kept() -> Kept:
    """The model that was loaded last."""
    return {}


class OfFamily(StepModelContract):
    """The suite with one family's decoder."""

    @pytest.fixture
    def family(self) -> str:
        return "llama"

    @pytest.fixture
    def backend(self) -> Backend:
        return Exact()

    @pytest.fixture
    def made(self, family: str, converted: Callable[..., Any]) -> Any:
        return converted(family)

    @pytest.fixture
    def model(self, made: Any) -> ModelFacts:
        self.reference = made.reference  # type: ignore[method-assign]  # the test replaces it
        facts: ModelFacts = made.facts
        return facts

    @pytest.fixture
    def loaded(
        self, backend: Backend, model: ModelFacts, folder: Path, device: Device, kept: Kept, request: Any
    ) -> LoadedModel:
        """Compiled once for all tests of a model, and without a cache for each."""
        key = (request.cls, model.name)
        if key not in kept:
            kept.clear()
            kept[key] = backend.load(model, folder, device.name, LoadOptions())
        kept[key]._free()
        return kept[key]

    @pytest.fixture
    def folder(self, made: Any) -> Path:
        folder: Path = made.folder
        return folder


class TestSample(OfFamily):
    @pytest.fixture(params=SAMPLE)
    def family(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)


@pytest.mark.slow
class TestEveryFamily(OfFamily):
    @pytest.fixture(params=sorted(set(FAMILIES) - set(SAMPLE)))
    def family(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)


class TestCacheOf8Bits(OfFamily):
    tolerance = 0.05

    @pytest.fixture
    def backend(self) -> Backend:
        return Exact("u8")


class TestFastest(OfFamily):
    """As it is served: in what the processor computes fastest."""

    tolerance = 0.05

    @pytest.fixture
    def backend(self) -> Backend:
        return OpenVinoBackend()
