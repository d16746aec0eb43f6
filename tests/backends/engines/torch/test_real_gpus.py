"""The suites of backends, and every kind of model, on the GPUs that this machine has: `make test-gpu`.

What `test_gpu_contract` and `test_gpu_models` show with a fake in the GPU's place is shown here on the GPU itself.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_gpu_models import EXACT, MODELS, steps

from panope_backends.api import Backend, Device, LoadOptions, ModelFacts
from panope_backends.engines.torch import CpuBackend, MpsBackend, TorchCudaBackend, TorchRocmBackend
from panope_backends.testing import EncoderDecoderContract, StepModelContract, TensorModelContract
from panope_backends.testing.decoders import FAMILIES, UNPAGED_FAMILIES, tiny_decoder
from panope_backends.testing.encoder_decoders import tiny_encoder_decoder
from panope_backends.testing.models import tiny_transformer

pytestmark = [pytest.mark.gpu, pytest.mark.slow]

FOUND = [(kind, kind().devices()) for kind in (TorchCudaBackend, TorchRocmBackend, MpsBackend)]
BACKENDS = [kind for kind, devices in FOUND if any(device.available for device in devices)]
if not BACKENDS:
    why = "; ".join(f"{kind.name}: {devices[0].reason}" for kind, devices in FOUND)
    pytest.skip(f"this machine has no GPU ({why})", allow_module_level=True)

#: Of float32 on another machine's order of sums, and of convolutions that GPUs round further.
TOLERANCE = 5e-3


@pytest.fixture(scope="module", params=BACKENDS, ids=lambda kind: str(kind.name))
def gpus(request: pytest.FixtureRequest) -> tuple[Backend, list[Device]]:
    """A backend and its devices."""
    backend: Backend = request.param()
    return backend, [device for device in backend.devices() if device.available]


class OnGpu:
    tolerance = 0.05  # each device computes in its own precision

    @pytest.fixture
    def backend(self, gpus: tuple[Backend, list[Device]]) -> Backend:
        return gpus[0]


class TestEncoders(OnGpu, TensorModelContract):
    @pytest.fixture
    def model(self, tmp_path: Path) -> ModelFacts:
        return tiny_transformer(tmp_path)


class TestDecoders(OnGpu, StepModelContract):
    @pytest.fixture(params=[*FAMILIES, *UNPAGED_FAMILIES])
    def model(self, request: pytest.FixtureRequest, tmp_path: Path) -> ModelFacts:
        return tiny_decoder(tmp_path, request.param)


class TestEncoderDecoders(OnGpu, EncoderDecoderContract):
    @pytest.fixture(params=["flan-t5", "bart"])
    def model(self, request: pytest.FixtureRequest, tmp_path: Path) -> ModelFacts:
        return tiny_encoder_decoder(tmp_path, request.param)


def compared(
    gpus: tuple[Backend, list[Device]],
    facts: ModelFacts,
    folder: Path,
    ask: Callable[[Any], Any],
    options: LoadOptions,
    tolerance: float,
) -> None:
    """Asks a model on every device, and compares it with the processor."""
    backend, devices = gpus
    expected = ask(CpuBackend().load(facts, folder, "CPU", EXACT))
    for device in devices:
        for name, found in ask(backend.load(facts, folder, device.name, options)).items():
            scale = max(1.0, float(np.abs(expected[name]).max()))
            np.testing.assert_allclose(found, expected[name], rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("kind", sorted(set(MODELS) - {"voice"}))  # whose noise is each device's own
def test_every_kind_of_model_answers_as_on_the_processor(
    gpus: tuple[Backend, list[Device]], kind: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    write, ask = MODELS[kind]
    compared(gpus, write(tmp_path), tmp_path, ask, EXACT, TOLERANCE)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_decoders_in_half_precision_say_what_the_processor_does(
    gpus: tuple[Backend, list[Device]], family: str, tmp_path: Path
) -> None:
    if "bf16" not in gpus[1][0].precisions:
        pytest.skip(f"{gpus[1][0].description} has no bf16")
    facts = tiny_decoder(tmp_path, family)
    compared(gpus, facts, tmp_path, steps, LoadOptions(precision="bf16"), 0.1)
