"""Paged attention stands in graphs as OpenVINO itself puts it there."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panope_backends.engines.openvino.paged.facts import PagedFacts, PagedLayer, read_facts, write_facts
from panope_backends.engines.openvino.paged.markers import mark, operator_inputs, page
from panope_backends.engines.openvino.runtime import import_runtime
from panope_backends.errors import PreconditionError

HEADS, SIZE = 2, 16
LAYER = PagedLayer(HEADS, HEADS, SIZE, SIZE, 0.25, 0)
FACTS = PagedFacts(1, HEADS * SIZE, 64, (LAYER,))

openvino = import_runtime()
ops: Any = __import__("openvino.opset13").opset13


def marked(name: str = "") -> Any:
    """A graph with one marker."""
    tokens = ops.parameter([-1, HEADS * SIZE], np.float32, name="tokens")
    attended = mark(ops, LAYER, 0, tokens.output(0), tokens.output(0), tokens.output(0), None)
    graph = openvino.Model([ops.result(attended)], [tokens])
    if name:
        next(op for op in graph.get_ops() if op.get_type_name() == "Concat").set_friendly_name(name)
    return graph


def stateful() -> Any:
    """A graph of one layer as others make them: with a state that holds keys and values."""
    parameters = {
        name: ops.parameter([-1] * rank, kind, name=name)
        for name, rank, kind in (
            ("input_ids", 2, np.int64),
            ("attention_mask", 2, np.int64),
            ("position_ids", 2, np.int64),
            ("beam_idx", 1, np.int32),
        )
    }
    for name, parameter in parameters.items():
        parameter.output(0).set_names({name})
    zero, first = ops.constant(np.int64(0)), ops.constant(np.int64(1))
    table = ops.constant(np.ones((50, HEADS * SIZE), np.float32))
    hidden = ops.gather(table, parameters["input_ids"], zero)
    order = ops.constant(np.array([0, 2, 1, 3]))
    heads = ops.transpose(ops.reshape(hidden, ops.constant(np.array([0, 0, HEADS, SIZE])), True), order)
    batch = ops.gather(ops.shape_of(parameters["input_ids"]), ops.constant(np.array([0])), zero)
    nothing = ops.broadcast(
        ops.constant(np.float32(0)), ops.concat([batch, ops.constant(np.array([HEADS, 0, SIZE]))], 0)
    )
    joined, assigned = [], []
    for name in ("keys", "values"):
        info = openvino.op.util.VariableInfo()
        info.data_shape, info.data_type = openvino.PartialShape([-1, HEADS, -1, SIZE]), openvino.Type.f32
        info.variable_id = name
        variable = openvino.op.util.Variable(info)
        before = ops.gather(ops.read_value(nothing, variable), parameters["beam_idx"], zero)
        joined.append(ops.concat([before, heads], 2))
        assigned.append(ops.assign(joined[-1], variable))
    mask = ops.convert(ops.unsqueeze(ops.unsqueeze(parameters["attention_mask"], first), first), np.float32)
    attended = ops.scaled_dot_product_attention(heads, *joined, mask)
    flat = ops.reshape(ops.transpose(attended, order), ops.constant(np.array([0, 0, HEADS * SIZE])), True)
    positions = ops.convert(ops.unsqueeze(parameters["position_ids"], ops.constant(np.int64(2))), np.float32)
    result = ops.result(ops.add(flat, positions))
    return openvino.Model([result], assigned, list(parameters.values()))


def test_the_operators_inputs_are_those_that_openvino_gives_it() -> None:
    """A new version of OpenVINO that adds, drops or moves an input fails here, before it computes nonsense."""
    from openvino._offline_transformations import paged_attention_transformation

    theirs, ours = stateful(), marked()
    paged_attention_transformation(theirs)
    page(openvino, ours, FACTS)
    assert operator_inputs(ours) == operator_inputs(theirs)


def test_a_graph_keeps_its_markers_in_a_file(tmp_path: Path) -> None:
    openvino.save_model(marked(), tmp_path / "graph.xml")
    graph = openvino.Core().read_model(tmp_path / "graph.xml")
    page(openvino, graph, FACTS)
    assert len(operator_inputs(graph)) == 25


@pytest.mark.parametrize(
    ("graph", "facts", "what"),
    [
        (marked("panope_paged_1"), FACTS, "1 of 1 layers"),
        (marked("something"), FACTS, "0 of 1 layers"),
        (marked(), PagedFacts(1, 9, 64, (LAYER, LAYER)), "1 of 2 layers"),
        (marked(), PagedFacts(1, 9, 64, (PagedLayer(HEADS, 1, SIZE, SIZE, 0.25, 0),)), "layer 0 is of the sizes"),
    ],
)
def test_a_graph_of_other_layers_than_its_file_says_is_refused(graph: Any, facts: PagedFacts, what: str) -> None:
    with pytest.raises(PreconditionError, match=what) as refusal:
        page(openvino, graph, facts)
    assert refusal.value.reason == "load_failed"


def test_the_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_facts(FACTS, tmp_path)
    assert read_facts(tmp_path) == FACTS


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"{}", "not what Panope writes"),
        (b"\xff", "not what Panope writes"),
        (b'{"version": 2, "vocab_size": 1, "max_positions": 1, "layers": []}', "version 2"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "openvino_paged.json").write_bytes(content)
    with pytest.raises(PreconditionError, match=what):
        read_facts(tmp_path)


def test_a_folder_without_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PreconditionError, match=r"no file `openvino_paged\.json`"):
        read_facts(tmp_path)
