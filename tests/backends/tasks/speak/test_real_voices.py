"""Piper's trained voice has one waveform on OpenVINO and on ONNX Runtime."""

import json

import numpy as np
import pytest
from tests.backends.tasks.speak.test_graph_voice import GraphSource
from tests.voices import HELLO, write_piper

from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.engines.torch import CpuBackend
from panope_backends.tasks.speak.graph_voice import GraphVoice

# 60 MB of weights out of a package, which OpenVINO compiles.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_voice_of_piper_speaks_alike_on_both_engines(tmp_path):
    write_piper(tmp_path)
    (tmp_path / "voice.onnx").rename(tmp_path / "model.onnx")
    told = json.loads((tmp_path / "panope.json").read_text())
    told["scales"] |= {"noise": 0.0, "noise_width": 0.0}  # no noise, which neither engine has a seed for
    (tmp_path / "panope.json").write_text(json.dumps(told))
    spoken = []
    for backend in (CpuBackend(), OpenVinoBackend()):
        voice = GraphVoice(GraphSource(tmp_path, backend))
        tokens = voice.tokens(HELLO[1], is_ipa=True)
        spoken += [voice.speak(tokens, 0, speed, 0) for speed in (1.0, 1.5)]
        voice.model.close()
    for right, found in zip(spoken[:2], spoken[2:], strict=True):
        assert right.size == found.size > 5_000
        assert np.abs(right).max() > 0.1
        assert found == pytest.approx(right, abs=1e-3)
