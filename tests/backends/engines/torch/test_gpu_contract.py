"""The suites that every backend passes, on the three kinds of GPU, for each of which a fake stands (`fake_gpu`)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake_gpu import GPU_BACKENDS, MODULE, Constructors, FakeCudaBackend, gpu

from panope_backends.api import Backend, LoadedModel, ModelFacts
from panope_backends.engines.torch.decoder.paged_model import TorchStepModel
from panope_backends.engines.torch.torch_backend import TorchBackend
from panope_backends.testing import EncoderDecoderContract, StepModelContract, TensorModelContract
from panope_backends.testing.decoders import FAMILIES, UNPAGED_FAMILIES, reference_logits, tiny_decoder
from panope_backends.testing.encoder_decoders import reference_answer_logits, tiny_encoder_decoder
from panope_backends.testing.models import tiny_transformer

OTHERS = [
    pytest.param(kind, id=kind.name, marks=pytest.mark.slow) for kind in GPU_BACKENDS if kind is not FakeCudaBackend
]
KINDS = [pytest.param(FakeCudaBackend, id="torch-cuda"), *OTHERS]


@pytest.fixture(autouse=True)
def constructors() -> Iterator[None]:
    with Constructors():
        yield


class OnGpu:
    """A GPU that computes in float32 alone, so that answers are compared to the last bits."""

    @pytest.fixture(params=KINDS)
    def backend(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Backend:
        monkeypatch.setattr(MODULE, "gpus", [gpu("Fake P100", 6, 0)])
        monkeypatch.setattr(MODULE, "built_for", ("sm_60",))
        kind: type[TorchBackend] = request.param
        monkeypatch.setattr(kind.rule, "precisions", lambda _: ("fp32",))
        return kind()


class TestEncoders(OnGpu, TensorModelContract):
    @pytest.fixture
    def model(self, tmp_path: Path) -> ModelFacts:
        return tiny_transformer(tmp_path)


class OfDecoder(OnGpu, StepModelContract):
    @pytest.fixture
    def folder(self, family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp(family)

    @pytest.fixture
    def model(self, family: str, folder: Path) -> ModelFacts:
        self._written = folder
        return tiny_decoder(folder, family)

    def reference(self, tokens: list[int]) -> np.ndarray[Any, Any]:
        return reference_logits(self._written, tokens)


@pytest.mark.slow
class TestEveryPagedDecoder(OfDecoder):
    @pytest.fixture(params=sorted(FAMILIES))
    def family(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)


@pytest.mark.slow
class TestEveryUnpagedDecoder(OfDecoder):
    tolerance = 1e-4

    @pytest.fixture(params=sorted(UNPAGED_FAMILIES))
    def family(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)


@pytest.mark.slow
class TestEncoderDecoders(OnGpu, EncoderDecoderContract):
    tolerance = 3e-5

    @pytest.fixture(params=["flan-t5", "bart"])
    def model(self, request: pytest.FixtureRequest, tmp_path: Path) -> ModelFacts:
        self._written = tmp_path
        return tiny_encoder_decoder(tmp_path, request.param)

    def answer_reference(self, source: list[int], tokens: list[int]) -> np.ndarray[Any, Any]:
        return reference_answer_logits(self._written, source, tokens)


@pytest.mark.slow
class TestDecodersInPagesThatAreReadInPlace(StepModelContract):
    """In bf16, by PyTorch's `varlen_attn`, below which the fake computes what NVIDIA's kernel does."""

    tolerance = 0.05

    @pytest.fixture
    def backend(self) -> Iterator[Backend]:
        torch.set_num_threads(1)
        return FakeCudaBackend()

    @pytest.fixture
    def model(self, tmp_path: Path) -> ModelFacts:
        return tiny_decoder(tmp_path, "mistral", max_position_embeddings=600)

    def test_the_kernel_is_in_use(self, loaded: LoadedModel) -> None:
        assert isinstance(loaded, TorchStepModel)
        assert loaded.cache.block_size == 256
        assert loaded.attention.name == "varlen"
