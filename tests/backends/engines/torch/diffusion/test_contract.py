"""A tiny pipeline of diffusers on a processor passes the suite of models that draw."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from panope_backends.api import Backend, ModelFacts
from panope_backends.engines.torch import CpuBackend
from panope_backends.testing import DiffusionModelContract
from panope_backends.testing.vision.diffusion import tiny_pipeline


# PyTorch and diffusers, loaded for each test; the warnings are of what they import.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
class TestPipelineModel(DiffusionModelContract):
    @pytest.fixture
    def backend(self) -> Backend:
        return CpuBackend()

    @pytest.fixture(params=["stable-diffusion", "wan"])
    def model(self, request: pytest.FixtureRequest, tmp_path: Path) -> ModelFacts:
        tiny_pipeline(tmp_path, request.param, seed=3)
        task = "video-generation" if request.param == "wan" else "image-generation"
        config = json.loads((tmp_path / "model_index.json").read_text())
        return ModelFacts("acme/painter", "safetensors", task, config=config)
