"""The suite of step models passes what keeps the contract and fails what does not."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panope_backends.api import Backend, ModelFacts
from panope_backends.testing import (
    ChecksumBackend,
    ChecksumEncoderDecoderBackend,
    EncoderDecoderContract,
    StepModelContract,
)

BROKEN = [Path(__file__).with_name(name) for name in ("broken_step_models.py", "broken_encoder_decoders.py")]
FAULTS = [
    (file, *fault)
    for file in BROKEN
    for fault in re.findall(r'^class (Test\w+)\(Broken\):\n    caught_by = "(\w+)"', file.read_text(), re.MULTILINE)
]


class TestChecksum(StepModelContract):
    @pytest.fixture
    def backend(self) -> Backend:
        return ChecksumBackend()

    @pytest.fixture
    def model(self) -> ModelFacts:
        return ModelFacts("test/checksum", "safetensors")

    def reference(self, tokens: list[int]) -> np.ndarray[Any, Any]:
        sums = np.cumsum([(token + 1) * (place + 1) for place, token in enumerate(tokens)])[:, None]
        return (((sums * 31 + np.arange(1, 65) * (sums % 89 + 7)) % 997) / np.float32(100)).astype(np.float32)


class TestChecksumOfOneBlock(TestChecksum):
    @pytest.fixture
    def model(self) -> ModelFacts:
        return ModelFacts("test/checksum", "safetensors", config={"block_size": 32, "max_positions": 32})


class TestRunningChecksum(TestChecksum):
    @pytest.fixture
    def model(self) -> ModelFacts:
        return ModelFacts("test/checksum", "safetensors", config={"running_state": True})


class TestChecksumWithAnEncoder(EncoderDecoderContract):
    @pytest.fixture
    def backend(self) -> Backend:
        return ChecksumEncoderDecoderBackend()

    @pytest.fixture
    def model(self) -> ModelFacts:
        return ModelFacts("test/checksum", "safetensors")

    def answer_reference(self, source: list[int], tokens: list[int]) -> np.ndarray[Any, Any]:
        added = len(source) * sum((token + 1) * (place + 1) for place, token in enumerate(source))
        own = np.cumsum([(token + 1) * (place + 1) for place, token in enumerate(tokens)])
        sums = (own + added)[:, None]
        return (((sums * 31 + np.arange(1, 65) * (sums % 89 + 7)) % 997) / np.float32(100)).astype(np.float32)


@pytest.fixture(scope="module")
def failed(failed_tests: Callable[..., set[tuple[str, str]]]) -> set[tuple[str, str]]:
    return set().union(*(failed_tests(file, [fault[1:] for fault in FAULTS if fault[0] == file]) for file in BROKEN))


@pytest.mark.parametrize(("broken", "test"), [fault[1:] for fault in FAULTS])
def test_a_broken_model_fails_the_suite(failed: set[tuple[str, str]], broken: str, test: str) -> None:
    assert (broken, test) in failed


def test_every_broken_model_is_looked_at() -> None:
    assert len(FAULTS) == sum(file.read_text().count("\nclass Test") for file in BROKEN)
