"""Turns a transformers model in safetensors into OpenVINO's format and proves that it still computes the same."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from panope_backends.api import ModelFacts
from panope_backends.engines.comparing import Array, Arrays, prove_same
from panope_backends.engines.openvino_runtime import import_converter
from panope_backends.engines.traceable import Traceable, load_traceable
from panope_backends.engines.transformer import OUTPUT
from panope_backends.errors import PreconditionError


def convert(model: ModelFacts, folder: Path, file: Path) -> None:
    """Writes `file` and the weights beside it, in float32, with any batch and any length.

    Raises:
        PreconditionError: the model cannot be loaded or traced, or the result computes something else.
    """
    save(traced(model, folder), file)


def traced(model: ModelFacts, folder: Path) -> Any:
    """The graph, proved.

    Raises:
        PreconditionError: the model cannot be loaded or traced, or the result computes something else.
    """
    original = load_traceable(model, folder)
    graph = _trace(original)
    try:
        prove_same(original.run, Compiled(graph).run, original.names, original.vocabulary, original.positions)
    except RuntimeError as error:
        raise PreconditionError("OpenVINO cannot run the converted model", reason="conversion_failed") from error
    return graph


def save(graph: Any, file: Path) -> None:
    """Writes a graph with its weights as they are."""
    openvino, _ = import_converter()
    openvino.save_model(graph, file, compress_to_fp16=False)


class Compiled:
    """A graph on the processor, in float32; what is done to the graph afterwards does not reach it."""

    def __init__(self, graph: Any) -> None:
        openvino, _ = import_converter()
        self._model = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(self, arrays: Arrays) -> Array:
        """The first output."""
        result: Array = self._model(arrays)[0]
        return result


def _trace(original: Traceable) -> Any:
    import torch

    openvino, converter = import_converter()
    shape = openvino.PartialShape([-1, -1])
    with torch.inference_mode(), warnings.catch_warnings():
        # Tracing warns of every number that it may freeze; the proof finds those that matter.
        warnings.simplefilter("ignore")
        try:
            graph = converter.convert_model(
                original.module,
                example_input=original.example(),
                input=[(name, shape, openvino.Type.i64) for name in original.names],
            )
        except (RuntimeError, TypeError, ValueError, KeyError) as error:
            raise PreconditionError("OpenVINO cannot convert this model", reason="conversion_failed") from error
    graph.outputs[0].get_tensor().set_names({OUTPUT})
    return graph
