"""Turns a transformers model in safetensors into OpenVINO's format and proves that it still computes the same."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from panope_backends.api import ModelFacts
from panope_backends.engines.equivalence import Array, Arrays, prove_same
from panope_backends.engines.openvino.exact import exact_configuration
from panope_backends.engines.openvino.model import OpenVinoModel, port_name
from panope_backends.engines.openvino.runtime import import_converter
from panope_backends.engines.openvino.tables import read_tables
from panope_backends.engines.refusals import refused_as
from panope_backends.engines.torch.encoder.traceable import Traceable, load_traceable
from panope_backends.errors import PreconditionError


def convert(model: ModelFacts, folder: Path, file: Path) -> None:
    """Writes `file` and the weights beside it, in float32, with any batch and any length.

    Raises:
        PreconditionError: the model cannot be loaded or traced, or what was written computes something else.
    """
    original = load_traceable(model, folder)
    save(_trace(original), file)
    with kept_if_right(file):
        _prove(original, lambda: Saved(file, original.names))


def traced(model: ModelFacts, folder: Path) -> Any:
    """The graph, proved.

    Raises:
        PreconditionError: the model cannot be loaded or traced, or the result computes something else.
    """
    original = load_traceable(model, folder)
    graph = _trace(original)
    _prove(original, lambda: Compiled(graph))
    return graph


def save(graph: Any, file: Path, *, halves: bool = False) -> None:
    """Writes a graph.

    Args:
        graph: to write.
        file: where to; the weights come beside it.
        halves: whether weights of 32 bits are written in 16; those that 16 cannot hold stay.
    """
    openvino, _ = import_converter()
    openvino.save_model(graph, file, compress_to_fp16=halves)


@contextlib.contextmanager
def kept_if_right(file: Path, *others: Path) -> Iterator[None]:
    """Removes what was written when its proof fails: a graph, its weights and `others`."""
    try:
        yield
    except BaseException:
        for written in (file, file.with_suffix(".bin"), *others):
            written.unlink(missing_ok=True)
        raise


class Compiled:
    """A graph on the processor, in float32; what is done to the graph afterwards does not reach it."""

    def __init__(self, graph: Any) -> None:
        openvino, _ = import_converter()
        self._model = openvino.Core().compile_model(graph, "CPU", exact_configuration())

    def run(self, arrays: Arrays) -> Array:
        """The first output."""
        result: Array = self._model(arrays)[0]
        return result


class Saved:
    """A graph that was written, as a worker loads and calls it: what saving loses shows in a proof.

    Raises:
        PreconditionError: it does not take what it was made of.
    """

    def __init__(self, file: Path, names: Sequence[str]) -> None:
        openvino, _ = import_converter()
        core = openvino.Core()
        tables = read_tables(openvino, core, core.read_model(file))
        settings = exact_configuration()
        self._model = OpenVinoModel(lambda: core.compile_model(file, "CPU", settings), "fp32", tables)
        taken = sorted(spec.name for spec in self._model.inputs)
        if not {"input_ids"} <= set(taken) <= set(names):
            raise PreconditionError(
                f"the converted model takes {', '.join(taken)} where the original takes {', '.join(names)}",
                reason="conversion_failed",
            )

    def run(self, arrays: Arrays) -> Array:
        """The one output."""
        (output,) = self._model.outputs
        return self._model.run(arrays, (output.name,))[output.name]


def _prove(original: Traceable, made: Callable[[], Compiled | Saved]) -> None:
    with refused_as("OpenVINO cannot run the converted model"):
        prove_same(original.run, made().run, original.names, original.vocabulary, original.positions)


def _trace(original: Traceable) -> Any:
    import torch

    openvino, converter = import_converter()
    shape = openvino.PartialShape([-1, -1])
    example = original.example()
    with torch.inference_mode(), warnings.catch_warnings(), refused_as("OpenVINO cannot convert this model"):
        # Tracing warns of every number that it may freeze; the proof finds those that matter.
        warnings.simplefilter("ignore")
        graph = converter.convert_model(
            original.module,
            example_input=example,
            input=[(name, shape, openvino.Type.i64) for name in original.names],
        )
    for tensor in graph.inputs:  # tracing leaves numbers beside their names
        tensor.get_tensor().set_names({port_name(tensor)})
    graph.outputs[0].get_tensor().set_names({original.output})
    return graph
