"""Turns models of audio into OpenVINO's format, those with a CTC head and those that classify, and proves them.

The graph takes what the PyTorch model does, `input_values` or `input_features`, of any batch, and gives `logits`, as
`panope_backends.engines.torch.audio.ctc` and `audio_classifier` do. Waveforms have any length.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from panope_backends.api import ModelFacts
from panope_backends.engines.openvino.compress import compress_graph
from panope_backends.engines.openvino.convert import kept_if_right, save
from panope_backends.engines.openvino.encoder_decoder.export import to_all
from panope_backends.engines.openvino.exact import exact_configuration
from panope_backends.engines.openvino.runtime import import_converter
from panope_backends.engines.openvino.vision.convert import prove_values
from panope_backends.engines.refusals import refused_as
from panope_backends.engines.torch.audio import classifier as audio_classifier
from panope_backends.engines.torch.audio import ctc
from panope_backends.engines.torch.encoder_decoder.attention import ATTENTION, attend_by
from panope_backends.engines.torch.pretrained import load_pretrained
from panope_backends.errors import PreconditionError
from panope_backends.model_facts.audio_models import FrameGrid, audio_input, frame_grid

Array = np.ndarray[Any, Any]

_OUTPUT = "logits"

#: Of the waveforms that it is traced and tried with, in frames: lengths of which some are no multiples of others.
_TRACED, _TRIED = 50, (1, 37, 50, 151, 400)
#: Of spectra, whose size is the model's own, in batches of so many.
_BATCHES = (1, 2, 3)


@dataclass(frozen=True)
class _Head:
    """What is converted of a model.

    Attributes:
        auto_class: the one of transformers' auto classes that loads it.
        name: of its input.
        axes: of that.
    """

    auto_class: str
    name: str
    axes: int


def convert_audio(model: ModelFacts, precision: str, folder: Path, file: Path) -> None:
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
        raise PreconditionError("models of audio in fewer bits are made of safetensors", reason="unsupported_format")
    head = _head_of(model)
    with kept_if_right(file):
        _write(model, head, precision, folder, file)
        gc.collect()  # the traced model's weights, before the same model is loaded again
        original = load_pretrained(model, folder, "fp32", head.auto_class, "eager")
        with refused_as("OpenVINO cannot run the converted model"):
            converted = _run_of(file, head.name)
            for values in _examples(original.config, head):
                with torch.inference_mode():
                    right = original(**{head.name: torch.from_numpy(values)}).logits.numpy()
                prove_values(right, converted(values), precision)


def _head_of(model: ModelFacts) -> _Head:
    if ctc.is_ctc(model):
        return _Head(ctc.AUTO_CLASS, ctc.INPUT, 2)
    takes = audio_input(model.config)
    if takes.has_mask:
        raise PreconditionError("models whose extractor pads are not converted", reason="unsupported_model")
    return _Head(audio_classifier.AUTO_CLASS, takes.name, takes.axes)


def _write(model: ModelFacts, head: _Head, precision: str, folder: Path, file: Path) -> None:
    module = load_pretrained(model, folder, "fp32", head.auto_class, ATTENTION)
    for part in module.modules():  # those that have attention of their own kind pass it over
        attend_by(part, to_all)
    traced = next(iter(_examples(module.config, head))) if head.axes > 2 else _noise(_TRACED, frame_grid(module.config))
    save(compress_graph(_traced(module, head, traced), precision), file, halves=precision == "fp16")


def _examples(config: Any, head: _Head) -> Iterator[Array]:
    """What the graph is tried with."""
    if head.axes == 2:
        grid = frame_grid(config)
        yield from (_noise(frames, grid) for frames in _TRIED)
        return
    size = _spectrum_of(config)
    for batch in _BATCHES:
        yield np.random.default_rng(batch).standard_normal((batch, *size)).astype(np.float32)


def _spectrum_of(config: Any) -> tuple[int, int]:
    """Frames and bands of AST's, bands and frames of Whisper's, whose convolutions halve the frames."""
    if hasattr(config, "max_source_positions"):
        return int(config.num_mel_bins), 2 * int(config.max_source_positions)
    return int(config.max_length), int(config.num_mel_bins)


def _noise(frames: int, grid: FrameGrid) -> Array:
    """A waveform of so many frames and a bit, the same each time."""
    random = np.random.default_rng(frames)
    return random.standard_normal((1, grid.least + (frames - 1) * grid.step + frames % 7)).astype(np.float32)


class _Logits(torch.nn.Module):  # type: ignore[misc]  # torch's types are not read (see pyproject.toml)
    """Tracing takes no outputs of transformers."""

    def __init__(self, module: Any, name: str) -> None:
        super().__init__()
        self.module, self._name = module, name

    def forward(self, values: Any) -> Any:
        return self.module(**{self._name: values}).logits


def _traced(module: Any, head: _Head, values: Array) -> Any:
    openvino, converter = import_converter()
    free = [-1, -1] if head.axes == 2 else [-1, *values.shape[1:]]
    shape = ("values", openvino.PartialShape(free), openvino.Type.f32)
    with torch.inference_mode(), warnings.catch_warnings(), refused_as("OpenVINO cannot convert this model"):
        # Tracing warns of every number that it may freeze; the proof finds those that matter.
        warnings.simplefilter("ignore")
        traced = _Logits(module, head.name).eval()
        graph = converter.convert_model(traced, example_input={"values": torch.from_numpy(values)}, input=[shape])
    graph.inputs[0].get_tensor().set_names({head.name})
    graph.outputs[0].get_tensor().set_names({_OUTPUT})
    return graph


def _run_of(file: Path, name: str) -> Callable[[Array], Array]:
    """The graph as it was written."""
    openvino, _ = import_converter()
    compiled = openvino.Core().compile_model(file, "CPU", exact_configuration())
    return lambda values: np.array(compiled({name: values})[0])
