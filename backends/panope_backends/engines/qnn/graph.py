"""Changes to a graph in ONNX before it is quantized."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def fix_lengths(source: Path, lengths: Mapping[str, int], file: Path) -> None:
    """Writes the graph with its named axes of these lengths, and with what follows from them computed.

    Args:
        source: the graph.
        lengths: by the names of axes.
        file: to write.
    """
    import onnx
    import onnxruntime

    graph = onnx.load(source)
    for tensor in graph.graph.input:
        for axis in tensor.type.tensor_type.shape.dim:
            if axis.dim_param in lengths:
                axis.dim_value = lengths[axis.dim_param]
    for tensor in graph.graph.output:  # their names would be kept, and be in the way of the lengths that follow
        for axis in tensor.type.tensor_type.shape.dim:
            axis.ClearField("dim_param")
    del graph.graph.value_info[:]
    onnx.save(graph, file)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(file)
    options.log_severity_level = 4
    # Constants that are shared get names that a second run would give again.
    onnxruntime.InferenceSession(
        file, options, providers=["CPUExecutionProvider"], disabled_optimizers=["ConstantSharing"]
    )
    onnx.save(onnx.shape_inference.infer_shapes(onnx.load(file)), file)


def split_masks(source: Path, mask: str, body: Path, first: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Splits off what is computed of a mask alone.

    Args:
        source: the graph, of fixed lengths.
        mask: the input.
        body: the rest of the graph, to write.
        first: what is computed of the mask, to write.

    Returns:
        The names of what goes from `first` to `body`, and of the graph's outputs that `first` gives; without a mask
        nothing is written.
    """
    import onnx

    graph = onnx.load(source).graph
    inputs = [tensor.name for tensor in graph.input]
    if mask not in inputs:
        return (), ()
    others = [name for name in inputs if name != mask]
    of_mask, of_others = _reached(graph, [mask]), _reached(graph, others)
    alone = of_mask - of_others
    readers = [node for node in graph.node if not of_others.isdisjoint(node.output)]
    cut = sorted({name for node in readers for name in node.input if name in alone})
    outputs = [tensor.name for tensor in graph.output]
    early = [name for name in outputs if name in alone]
    onnx.utils.extract_model(str(source), str(first), [mask], list(dict.fromkeys([*cut, *early])))
    onnx.utils.extract_model(str(source), str(body), [*others, *cut], [name for name in outputs if name not in early])
    return tuple(cut), tuple(early)


def _reached(graph: Any, names: Iterable[str]) -> set[str]:
    """The tensors that depend on these; a graph's nodes are in the order in which they are computed."""
    found = set(names)
    for node in graph.node:
        if not found.isdisjoint(node.input):
            found.update(node.output)
    return found
