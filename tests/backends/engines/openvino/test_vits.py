"""VITS converted to OpenVINO: the library's waveform where no noise is drawn, and one for each seed where it is."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.backends.tasks.speak.test_speak import SpeakSource, spoken

from panope_backends.api import Device, Level, LoadOptions, ModelFacts, TensorModel
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.engines.openvino.vits import SOUND_FILE
from panope_backends.engines.torch import CpuBackend
from panope_backends.errors import PreconditionError
from panope_backends.tasks.speak.module import SpeakModule
from panope_backends.testing.audio.speaking import tiny_vits

BACKEND = OpenVinoBackend()


def facts_of(folder: Path, kind: str) -> ModelFacts:
    return ModelFacts("acme/voice", kind, "speak", "VitsModel", json.loads((folder / "config.json").read_text()))


def converted(folder: Path, out: Path, precision: str = "fp32") -> Path:
    """A folder as a job makes it: both graphs, and what stands beside the weights."""
    out.mkdir()
    conversion = next(each for each in BACKEND.conversions() if each.precision == precision)
    BACKEND.convert(facts_of(folder, "safetensors"), conversion, folder, out)
    for file in folder.glob("*.json"):
        shutil.copy(file, out)
    return out


def loaded(folder: Path, kind: str) -> TensorModel:
    backend = BACKEND if kind == "openvino" else CpuBackend()
    model = backend.load(facts_of(folder, kind), folder, "CPU", LoadOptions())
    assert isinstance(model, TensorModel)
    assert model.precision == "fp32", "whatever the processor computes in otherwise"
    return model


def waveform(model: TensorModel, tokens: int, speaker: int = 0, speed: float = 1.0, seed: int = 3) -> np.ndarray:
    arrays: dict[str, Any] = {
        "input_ids": np.random.default_rng(tokens).integers(0, 28, (1, tokens)),
        "speaker": np.array([speaker]),
        "speed": np.array([speed], np.float32),
        "seed": np.array([seed]),
    }
    return model.run(arrays)["waveform"]


@pytest.mark.parametrize(("drawn", "voices"), [pytest.param(False, 1, marks=pytest.mark.slow), (True, 2)])
def test_without_noise_it_is_the_library_s_waveform(tmp_path, drawn, voices):
    folder = tmp_path / "voice"
    quiet = {"noise_scale": 0.0, "noise_scale_duration": 0.0}
    tiny_vits(folder, voices=voices, use_stochastic_duration_prediction=drawn, **quiet)
    right, found = loaded(folder, "safetensors"), loaded(converted(folder, tmp_path / "out"), "openvino")
    for tokens, speed in ((1, 1.0), (3, 1.0), (25, 1.3), (60, 0.7)):
        wanted = waveform(right, tokens, voices - 1, speed)
        np.testing.assert_allclose(waveform(found, tokens, voices - 1, speed), wanted, atol=1e-4)
    right.close()
    found.close()


@dataclass
class ConvertedSource(SpeakSource):
    """The converted model, as a worker gives it to the task."""

    def load(self, config, folder=None, *, head=""):
        return loaded(self.folder, "openvino")


def test_each_seed_makes_its_own_audio(tmp_path):
    folder = tmp_path / "voice"
    tiny_vits(folder)
    task = SpeakModule().load(ConvertedSource(converted(folder, tmp_path / "out", "fp16")))
    first, again, other = (spoken(task, "good morning", seed=seed)[0].audio for seed in (1, 1, 2))
    assert first == again != other
    assert spoken(task, "good morning", speed=0.5)[0].seconds > 1.3 * spoken(task, "good morning")[0].seconds
    task.close()


def test_a_graph_that_is_missing_is_named(tmp_path):
    folder = tmp_path / "voice"
    tiny_vits(folder)
    out = converted(folder, tmp_path / "out")
    (out / SOUND_FILE).unlink()
    with pytest.raises(PreconditionError, match=SOUND_FILE):
        loaded(out, "openvino")


def test_other_models_that_speak_are_not_converted():
    model = ModelFacts("acme/voice", "safetensors", "speak", "SpeechT5ForTextToSpeech", {"model_type": "speecht5"})
    support = BACKEND.supports(model, Device("openvino", "CPU"))
    assert (support.level, support.is_final) == (Level.NONE, True)
    assert "`vits`" in support.reason
