"""Graphs in the form of Piper's and Kokoro's, which have no weights and tell what they were given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

RATE = 24_000
PHONEMES = {"ids": {"h": [5], "ə": [6], " ": [3], "c": [7], "\u0327": [8], ".": [9]}, "begin": [1], "end": [2]}
PIPER: dict[str, Any] = {
    "version": 1,
    "task": "speak",
    "sample_rate": RATE,
    "input": {"tokens": "input", "lengths": "input_lengths", "scales": "scales"},
    "output": {"decoder": "waveform", "waveform": "output"},
    "phonemes": {**PHONEMES, "between": [0]},
    "scales": {"noise": 0.25, "length": 0.5, "noise_width": 0.125},
}
KOKORO: dict[str, Any] = {
    **{name: PIPER[name] for name in ("version", "task", "sample_rate")},
    "input": {"tokens": "tokens", "style": "style", "speed": "speed"},
    "output": {"decoder": "waveform"},
    "phonemes": PHONEMES,
    "styles": "styles.safetensors",
}
INPUTS = {
    "input": (TensorProto.INT64, [1, "n"]),
    "input_lengths": (TensorProto.INT64, [1]),
    "scales": (TensorProto.FLOAT, [3]),
}


def write_graph(folder: Path, inputs: dict[str, tuple[int, list[Any]]], described: dict[str, Any]) -> None:
    """A graph whose samples are a hundredth of all that it was given, one input behind the other."""
    values = [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()]
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, "samples"])
    flat = onnx.numpy_helper.from_array(np.array([1, 1, -1]), "flat")
    factor = onnx.numpy_helper.from_array(np.array([0.01], np.float32), "factor")
    nodes = [helper.make_node("Cast", [name], [f"{name}.f"], to=TensorProto.FLOAT) for name in inputs]
    nodes += [helper.make_node("Reshape", [f"{name}.f", "flat"], [f"{name}.r"]) for name in inputs]
    nodes.append(helper.make_node("Concat", [f"{name}.r" for name in inputs], ["all"], axis=2))
    nodes.append(helper.make_node("Mul", ["all", "factor"], ["output"]))
    graph = helper.make_graph(nodes, "voice", values, [output], [flat, factor])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save(model, folder / "model.onnx")
    (folder / "panope.json").write_text(json.dumps(described))
