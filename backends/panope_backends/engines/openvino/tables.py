"""Reads from a graph of OpenVINO's how far its tables reach.

OpenVINO does not look where it reads: past a table's end it answers with what happens to be there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from panope_backends.engines.tables import Lookup, Tables, probe_inputs, tables_of
from panope_backends.model_facts.text_graphs import tensor_name

#: What stands between a constant and its use, where weights are kept in fewer bits.
_DECOMPRESSION = frozenset({"Convert", "Multiply", "Subtract", "Reshape"})

#: What makes indices of ids and masks is made of few small steps; what lies behind these is the model itself.
_LARGE = frozenset({"MatMul", "Convolution", "ScaledDotProductAttention"})
_MOST_STEPS = 200


def read_tables(openvino: Any, core: Any, graph: Any) -> Tables:
    """Runs the part of the graph that makes indices for short texts.

    Args:
        openvino: the module.
        core: its devices.
        graph: as read from its file; it is not changed.
    """
    tables = [
        (gather.input_value(1), rows)
        for gather in graph.get_ordered_ops()
        if gather.get_type_name() == "Gather" and (rows := _rows(gather.input_value(0)))
    ]
    try:
        return _by_running(openvino, core, graph, tables)
    except RuntimeError:  # the graph does not take such texts; what is looked up as it is given shows without them
        return Tables(_by_looking(tables))


def _by_running(openvino: Any, core: Any, graph: Any, tables: Sequence[tuple[Any, int]]) -> Tables:
    made_of = [(indices, rows, _parameters(indices)) for indices, rows in tables]
    looked_up = [(indices, rows) for indices, rows, names in made_of if names]
    needed = set().union(*(names for _, _, names in made_of if names))
    parameters = [p for p in graph.get_parameters() if _name(p) in needed]
    shapes = {_shape(parameter) for parameter in parameters}
    shape = shapes.pop() if len(shapes) == 1 else None
    inputs = probe_inputs(sorted(needed), *shape) if shape is not None else {}
    if not needed or len(inputs) < len(needed):
        return Tables(_by_looking(tables))
    results = [openvino.op.Result(indices) for indices, _ in looked_up]
    part = core.compile_model(openvino.Model(results, parameters, "indices"), "CPU")
    found = part({index: inputs[_name(p)].astype(_dtype(p)) for index, p in enumerate(parameters)})
    lookups = [Lookup(np.array(found[index]), rows) for index, (_, rows) in enumerate(looked_up)]
    return tables_of(lookups, inputs)


def _by_looking(tables: Sequence[tuple[Any, int]]) -> dict[str, int]:
    """The limits of inputs whose values are looked up as they are, but for their type."""
    limits: dict[str, int] = {}
    for indices, rows in tables:
        node = indices.get_node()
        while node.get_type_name() == "Convert":
            node = node.input_value(0).get_node()
        if node.get_type_name() == "Parameter":
            limits[_name(node)] = min(rows, limits.get(_name(node), rows))
    return limits


def _rows(table: Any) -> int:
    """Of a matrix in the weights; 0 for anything else."""
    shape = table.get_partial_shape()
    if shape.rank.is_dynamic or len(shape) != 2 or shape[0].is_dynamic:
        return 0
    node = table.get_node()
    while node.get_type_name() in _DECOMPRESSION:
        node = node.input_value(0).get_node()
    return int(shape[0].get_length()) if node.get_type_name() == "Constant" else 0


def _parameters(output: Any) -> set[str] | None:
    """The inputs that indices are made of; None when they are the model's own work."""
    names: set[str] = set()
    for step, node in enumerate(_upstream(output.get_node())):
        if step >= _MOST_STEPS or node.get_type_name() in _LARGE:
            return None
        if node.get_type_name() == "Parameter":
            names.add(_name(node))
    return names


def _upstream(node: Any) -> Iterator[Any]:
    seen = {node.get_name()}
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        for value in current.input_values():
            before = value.get_node()
            if before.get_name() not in seen:
                seen.add(before.get_name())
                waiting.append(before)


def _name(parameter: Any) -> str:
    return tensor_name(parameter.output(0).get_names(), str(parameter.get_friendly_name()))


def _shape(parameter: Any) -> tuple[int, int] | None:
    """Batch and length, -1 where any is taken; None for what holds no texts."""
    shape = parameter.get_partial_shape()
    if shape.rank.is_dynamic or len(shape) != 2:
        return None
    batch, length = (-1 if size.is_dynamic else int(size.get_length()) for size in shape)
    return batch, length


def _dtype(parameter: Any) -> Any:
    return parameter.get_element_type().to_dtype()
