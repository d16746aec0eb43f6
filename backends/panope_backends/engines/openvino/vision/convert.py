"""Turns transformers' models of images into OpenVINO's format, and proves that they still compute the same."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from panope_backends.api import ModelFacts
from panope_backends.engines.equivalence import TOLERANCE
from panope_backends.engines.openvino.compress import LEAST_COSINE, compress_graph
from panope_backends.engines.openvino.convert import kept_if_right, save
from panope_backends.engines.openvino.exact import exact_configuration
from panope_backends.engines.openvino.model import OpenVinoModel, port_name
from panope_backends.engines.openvino.runtime import import_converter
from panope_backends.engines.openvino.tables import read_tables
from panope_backends.engines.openvino.vision.examples import Arrays, examples, free_shape
from panope_backends.engines.openvino.vision.files import heads_of
from panope_backends.engines.refusals import refused_as
from panope_backends.engines.torch.vision.forwards import FORWARDS
from panope_backends.engines.torch.vision.heads import PIXELS, VisionHead, vision_head
from panope_backends.engines.torch.vision.model import VisionModel, load_module
from panope_backends.errors import PreconditionError

Run = Callable[[Arrays], Mapping[str, np.ndarray[Any, Any]]]


def convert_vision(model: ModelFacts, precision: str, folder: Path, out: Path) -> None:
    """Writes a graph for each part of the model.

    Args:
        model: one that `vision_head` knows.
        precision: of the weights: `fp32`, `fp16`, `int8` or `int4`.
        folder: the model's files.
        out: where to.

    Raises:
        PreconditionError: a part cannot be loaded or traced, or what was written computes something else.
    """
    with ExitStack() as kept:
        for part, name in heads_of(model).items():
            kept.enter_context(kept_if_right(out / name))
            _convert(replace(model, head=part), precision, folder, out / name)


def _convert(model: ModelFacts, precision: str, folder: Path, file: Path) -> None:
    head = vision_head(model)
    if head is None:
        raise PreconditionError("the model is not one of images", reason="unsupported_model")
    if model.format == "openvino":
        original, graph, names = _read(folder / file.name)
        made = [{name: arrays[name] for name in names} for arrays in examples(model, head, folder)]
    else:
        module, head = load_module(model, head, folder, "fp32", attention="eager")
        made = list(examples(model, head, folder))
        original, graph = VisionModel(module, head, "fp32").run, _trace(module, head, made)
    save(compress_graph(graph, precision), file, halves=precision == "fp16")
    with refused_as("OpenVINO cannot run the converted model"):
        _prove(original, _run_of(file), made, precision)


def _trace(module: Any, head: VisionHead, made: Sequence[Arrays]) -> Any:
    openvino, converter = import_converter()
    types = {name: openvino.Type.f32 if name == PIXELS else openvino.Type.i64 for name in head.inputs}
    shapes = [(name, openvino.PartialShape(free_shape(name, made)), types[name]) for name in head.inputs]
    example = {name: torch.from_numpy(array) for name, array in made[0].items()}
    with torch.inference_mode(), warnings.catch_warnings(), refused_as("OpenVINO cannot convert this model"):
        # Tracing warns of every number that it may freeze; the proof finds those that matter.
        warnings.simplefilter("ignore")
        graph = converter.convert_model(_Traced(module, head).eval(), example_input=example, input=shapes)
    for tensor in graph.inputs:  # tracing leaves numbers beside their names
        tensor.get_tensor().set_names({port_name(tensor)})
    for tensor, name in zip(graph.outputs, head.outputs, strict=True):
        tensor.get_tensor().set_names({name})
    return graph


class _Traced(torch.nn.Module):  # type: ignore[misc]  # torch's types are not read (see pyproject.toml)
    """Tracing takes no dictionaries."""

    def __init__(self, module: Any, head: VisionHead) -> None:
        super().__init__()
        self.module = module
        self._forward, self._outputs = FORWARDS[head.kind], tuple(head.outputs)

    def forward(self, pixel_values: Any = None, input_ids: Any = None, attention_mask: Any = None) -> Any:
        given = {PIXELS: pixel_values, "input_ids": input_ids, "attention_mask": attention_mask}
        found = self._forward(self.module, {name: tensor for name, tensor in given.items() if tensor is not None})
        return tuple(found[name] for name in self._outputs)


def _run_of(file: Path) -> Run:
    """A graph that was written, as a worker loads and calls it: what saving loses shows in a proof."""
    openvino, _ = import_converter()
    core = openvino.Core()
    tables = read_tables(openvino, core, core.read_model(file))
    settings = exact_configuration()
    model = OpenVinoModel(lambda: core.compile_model(file, "CPU", settings), "fp32", tables)
    return lambda arrays: model.run({spec.name: arrays[spec.name] for spec in model.inputs})


def _read(file: Path) -> tuple[Run, Any, list[str]]:
    if not file.is_file():
        raise PreconditionError(f"the model has no file `{file.name}`", reason="missing_file")
    openvino, _ = import_converter()
    with refused_as("OpenVINO refuses the model"):
        graph = openvino.Core().read_model(file)
        return _run_of(file), graph, [port_name(tensor) for tensor in graph.inputs]


def _prove(original: Run, converted: Run, made: Sequence[Arrays], precision: str) -> None:
    """Refuses what differs by more than rounding, or than smaller weights may.

    Raises:
        PreconditionError: it does, or gives what is no number.
    """
    for arrays in made:
        expected, found = original(arrays), converted(arrays)
        for name, right in expected.items():
            prove_values(right, found[name], precision)


def prove_values(right: np.ndarray[Any, Any], found: np.ndarray[Any, Any], precision: str) -> None:
    """Refuses values that differ by more than rounding, or than smaller weights may.

    Args:
        right: of the original.
        found: of what was made of it.
        precision: of the weights that were made.

    Raises:
        PreconditionError: they do, or are no numbers.
    """
    if found.shape != right.shape:
        raise PreconditionError("the converted model's results are of another shape", reason="conversion_failed")
    if precision == "fp32":
        difference = float(np.abs(found - right).max() / np.abs(right).max())
        if not difference <= TOLERANCE:  # NaN fails too
            raise PreconditionError(
                f"the converted model's results differ by {difference:.1e} from the original's",
                reason="conversion_failed",
            )
        return
    one, other = right.ravel().astype(np.float64), found.ravel().astype(np.float64)
    cosine, least = float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other))), LEAST_COSINE[precision]
    if not cosine >= least:
        raise PreconditionError(
            f"the smaller weights' results have a cosine of {cosine:.3f} to the original's; {least} is the least",
            reason="conversion_failed",
        )
