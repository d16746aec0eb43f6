"""Turns models with a CTC head into OpenVINO's format, and proves that they still tell the same letters.

The graph takes `input_values`, float32 `[batch, samples]`, and gives `logits`, `[batch, frames, vocabulary]`, as
`panope_backends.engines.torch.ctc` does.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from panope_backends.api import ModelFacts
from panope_backends.audio_models import FrameGrid, frame_grid
from panope_backends.engines.openvino.compress import compress_graph
from panope_backends.engines.openvino.convert import kept_if_right, save
from panope_backends.engines.openvino.encoder_decoder.export import to_all
from panope_backends.engines.openvino.runtime import import_converter
from panope_backends.engines.openvino.vision.convert import prove_values
from panope_backends.engines.refusals import refused_as
from panope_backends.engines.torch.ctc import AUTO_CLASS, INPUT, OUTPUT
from panope_backends.engines.torch.encoder_decoder.attention import ATTENTION, attend_by
from panope_backends.engines.torch.pretrained import load_pretrained
from panope_backends.errors import PreconditionError

Array = np.ndarray[Any, Any]

#: Of the waveforms that it is traced and tried with, in frames: lengths of which some are no multiples of others.
_TRACED, _TRIED = 50, (1, 37, 50, 151, 400)


def convert_ctc(model: ModelFacts, precision: str, folder: Path, file: Path) -> None:
    """Writes `file`.

    Args:
        model: with such a head, in safetensors.
        precision: of the weights: `fp32`, `fp16`, `int8` or `int4`.
        folder: the model's files.
        file: to write.

    Raises:
        PreconditionError: the model cannot be loaded or traced, or what was written computes something else.
    """
    if model.format == "openvino":
        raise PreconditionError(
            "models with a CTC head in fewer bits are made of safetensors", reason="unsupported_format"
        )
    with kept_if_right(file):
        grid = _write(model, precision, folder, file)
        gc.collect()  # the traced model's weights, before the same model is loaded again
        original = load_pretrained(model, folder, "fp32", AUTO_CLASS, "eager")
        with refused_as("OpenVINO cannot run the converted model"):
            converted = _run_of(file)
            for frames in _TRIED:
                values = _noise(frames, grid)
                with torch.inference_mode():
                    right = original(input_values=torch.from_numpy(values)).logits.numpy()
                prove_values(right, converted(values), precision)


def _write(model: ModelFacts, precision: str, folder: Path, file: Path) -> FrameGrid:
    module = load_pretrained(model, folder, "fp32", AUTO_CLASS, ATTENTION)
    for part in module.modules():  # those that have attention of their own kind pass it over
        attend_by(part, to_all)
    grid = frame_grid(module.config)
    graph = compress_graph(_traced(module, _noise(_TRACED, grid)), precision)
    save(graph, file, halves=precision == "fp16")
    return grid


def _noise(frames: int, grid: FrameGrid) -> Array:
    """A waveform of so many frames and a bit, the same each time."""
    random = np.random.default_rng(frames)
    return random.standard_normal((1, grid.least + (frames - 1) * grid.step + frames % 7)).astype(np.float32)


class _Logits(torch.nn.Module):  # type: ignore[misc]  # torch's types are not read (see pyproject.toml)
    """Tracing takes no outputs of transformers."""

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.module = module

    def forward(self, input_values: Any) -> Any:
        return self.module(input_values=input_values).logits


def _traced(module: Any, values: Array) -> Any:
    openvino, converter = import_converter()
    shape = (INPUT, openvino.PartialShape([-1, -1]), openvino.Type.f32)
    example = {INPUT: torch.from_numpy(values)}
    with torch.inference_mode(), warnings.catch_warnings(), refused_as("OpenVINO cannot convert this model"):
        # Tracing warns of every number that it may freeze; the proof finds those that matter.
        warnings.simplefilter("ignore")
        graph = converter.convert_model(_Logits(module).eval(), example_input=example, input=[shape])
    graph.inputs[0].get_tensor().set_names({INPUT})
    graph.outputs[0].get_tensor().set_names({OUTPUT})
    return graph


def _run_of(file: Path) -> Callable[[Array], Array]:
    """The graph as it was written."""
    openvino, _ = import_converter()
    compiled = openvino.Core().compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda values: np.array(compiled({INPUT: values})[0])
