"""Every backend that comes with Panope passes the suite that others are asked to pass."""

import shutil
from pathlib import Path

import pytest

from panope_backends.api import Backend, Converter, ModelFacts
from panope_backends.engines.llama_cpp.converter import GgufBackend
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.engines.torch import CpuBackend
from panope_backends.testing import ConverterContract, EchoBackend, SlowBackend, TensorModelContract
from panope_backends.testing.models import VOCABULARY, tiny_gguf, tiny_onnx, tiny_transformer


class TestOpenVino(TensorModelContract):
    @pytest.fixture
    def backend(self) -> Backend:
        return OpenVinoBackend()

    @pytest.fixture
    def model(self, converted_bert: Path) -> ModelFacts:
        return ModelFacts("test/tiny-bert", "openvino", "embed")

    @pytest.fixture
    def folder(self, converted_bert: Path) -> Path:
        return converted_bert


class TestOpenVinoConverts(ConverterContract):
    @pytest.fixture
    def converter(self) -> Converter:
        return OpenVinoBackend()

    @pytest.fixture
    def model(self, tmp_path: Path) -> ModelFacts:
        return tiny_transformer(tmp_path)


class TestOpenVinoMakesOpenVinoSmaller(TestOpenVinoConverts):
    @pytest.fixture
    def model(self, tmp_path: Path, converted_bert: Path) -> ModelFacts:
        shutil.copytree(converted_bert, tmp_path, dirs_exist_ok=True)
        return ModelFacts("test/tiny-bert", "openvino", "embed", config={"vocab_size": VOCABULARY})


@pytest.mark.slow  # test_onnx_export does one each time
class TestCpuConverts(ConverterContract):
    @pytest.fixture
    def converter(self) -> Converter:
        return CpuBackend()

    @pytest.fixture
    def model(self, tmp_path: Path) -> ModelFacts:
        return tiny_transformer(tmp_path)


class TestGguf(ConverterContract):
    @pytest.fixture
    def converter(self) -> Converter:
        return GgufBackend()

    @pytest.fixture
    def model(self, tmp_path: Path) -> ModelFacts:
        return tiny_gguf(tmp_path)


class TestPyTorch(TensorModelContract):
    @pytest.fixture
    def backend(self) -> Backend:
        return CpuBackend()

    @pytest.fixture
    def model(self, tmp_path: Path) -> ModelFacts:
        return tiny_transformer(tmp_path)


class TestOnnxRuntime(TensorModelContract):
    @pytest.fixture
    def backend(self) -> Backend:
        return CpuBackend()

    @pytest.fixture
    def model(self, tmp_path: Path) -> ModelFacts:
        return tiny_onnx(tmp_path)


class TestEcho(TensorModelContract):
    @pytest.fixture
    def backend(self) -> Backend:
        return EchoBackend()

    @pytest.fixture
    def model(self) -> ModelFacts:
        return ModelFacts("test/echo", "safetensors")


class TestSlow(TestEcho):
    @pytest.fixture
    def backend(self) -> Backend:
        return SlowBackend()

    @pytest.fixture
    def model(self) -> ModelFacts:
        return ModelFacts("test/slow", "safetensors", config={"slow_seconds": 0.0})
