"""The backend of models that are code passes the suite that others are asked to pass."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panope_backends.api import Backend, ModelFacts, TensorSpec
from panope_backends.engines.python.backend import PythonBackend
from panope_backends.testing import TensorModelContract
from panope_backends.testing.python_models import TEXT_CODE, TEXT_CONFIG, executing, triton_model


class TestPython(TensorModelContract):
    @pytest.fixture
    def backend(self) -> Backend:
        return PythonBackend()

    @pytest.fixture
    def model(self, tmp_path: Path) -> ModelFacts:
        return triton_model(tmp_path)


class TestCodeThatGivesItsInputsAndABufferOfItsOwn(TestPython):
    """It changes what it is given, and fills the same array again for each answer."""

    @pytest.fixture
    def model(self, tmp_path: Path) -> ModelFacts:
        body = """
        x *= 2
        KEPT[: len(x)] = x.sum(axis=1, keepdims=True)
        tensors = [pb_utils.Tensor("doubled", x), pb_utils.Tensor("sum", KEPT[: len(x)])]
        return [pb_utils.InferenceResponse(tensors)]"""
        return triton_model(tmp_path, executing(body.strip(), before="KEPT = np.zeros((8, 1))"))


class TestTexts(TestPython):
    @pytest.fixture
    def model(self, tmp_path: Path) -> ModelFacts:
        return triton_model(tmp_path, TEXT_CODE, TEXT_CONFIG)

    def arrays(
        self, specs: list[TensorSpec], batch: int, length: int, seed: int = 0
    ) -> dict[str, np.ndarray[Any, Any]]:
        letters = "abcdeäöü"
        texts = [letters[seed % 8] * (index + 1) + letters[index % 8] for index in range(batch * length)]
        return {"texts": np.array([text.encode() for text in texts], dtype=object)}

    def test_results_do_not_follow_inputs_changed_afterwards(self, loaded: Any) -> None:
        arrays = self.arrays([], 1, 3)
        found = loaded.run(arrays)["loud"].copy()
        arrays["texts"][...] = b"other"
        assert found.tolist() == [b"AA", b"AAB", b"AAAC"]
