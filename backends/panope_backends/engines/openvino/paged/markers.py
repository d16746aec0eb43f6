"""Paged attention in a graph: as markers while it is a file, as operators when it is loaded.

OpenVINO compiles its operator of paged attention and cannot read it back from a file. So a file has a marker for each
layer: a concatenation of queries, keys and values (and of sinks, where the layer has them) with a name that tells, and
a split that stands for the attention's result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from panope_backends.engines.openvino.paged.facts import FILE, PagedFacts, PagedLayer
from panope_backends.errors import PreconditionError

_NAME = "panope_paged_"

_OPERATOR = "PagedAttentionExtension"

_QUERIES_KEYS_VALUES = 3


def mark(ops: Any, layer: PagedLayer, index: int, query: Any, key: Any, value: Any, sinks: Any | None) -> Any:
    """Puts a marker into a graph.

    Args:
        ops: OpenVINO's operators.
        layer: what its attention is.
        index: of the layer in the model.
        query: as `[tokens, heads * key_size]`.
        key: as `[tokens, kv_heads * key_size]`.
        value: as `[tokens, kv_heads * value_size]`.
        sinks: `[heads]`; None for none.

    Returns:
        The output that stands for `[tokens, heads * value_size]`.
    """
    parts = [query, key, value]
    if sinks is not None:
        tokens = ops.gather(ops.shape_of(query), ops.constant(np.array([0])), ops.constant(np.int64(0)))
        shape = ops.concat([tokens, ops.constant(np.array([layer.heads]))], 0)
        parts.append(ops.broadcast(sinks, shape).output(0))
    marker = ops.concat(parts, 1)
    marker.set_friendly_name(f"{_NAME}{index}")
    lengths = ops.constant(np.array([layer.heads * layer.value_size, -1]))
    return ops.variadic_split(marker, ops.constant(np.int64(1)), lengths).output(0)


def page(openvino: Any, graph: Any, facts: PagedFacts) -> None:
    """Puts paged attention in the place of each marker, with the parameters that it takes.

    Raises:
        PreconditionError: markers and facts do not fit each other.
    """
    markers = dict(_markers(graph))
    if sorted(markers) != list(range(len(facts.layers))):
        raise _unfit(f"{len(markers)} of {len(facts.layers)} layers are marked")
    operators = _Operators(openvino)
    for index, layer in enumerate(facts.layers):
        marker = markers[index]
        _check(marker, layer, index)
        (split,) = (target.get_node() for target in marker.output(0).get_target_inputs())
        operator = operators.make(index, layer, marker.input_values())
        for target in list(split.output(0).get_target_inputs()):
            target.replace_source_output(operator.output(0))
    graph.add_parameters(list(operators.parameters.values()))
    graph.validate_nodes_and_infer_types()


def operator_inputs(graph: Any) -> list[tuple[str, str, str]]:
    """What each input of the graph's first paged attention is: its kind of node, its type and its shape.

    For the test that compares them with those of OpenVINO's own transformation.
    """
    operator = next(node for node in graph.get_ordered_ops() if node.get_type_name() == _OPERATOR)
    return [
        (value.get_node().get_type_name(), value.get_element_type().get_type_name(), str(value.get_partial_shape()))
        for value in operator.input_values()[_QUERIES_KEYS_VALUES:]
    ]


class _Operators:
    """Makes the operators of one graph, and the parameters that they share."""

    def __init__(self, openvino: Any) -> None:
        from openvino import opset13  # by then imported without its converter

        self._openvino, self._ops = openvino, opset13
        self.parameters: dict[str, Any] = {}

    def make(self, index: int, layer: PagedLayer, marked: Sequence[Any]) -> Any:
        """Makes one layer's.

        Args:
            index: of the layer.
            layer: what its attention is.
            marked: the marker's inputs.
        """
        query, key, value, *sinks = marked
        inputs = [
            *(query, key, value, *self._cache(index), *self._tables()),
            self._constant(np.float32(layer.scale)),
            self._constant(np.int32(layer.window)),
            self._nothing(np.float32),  # slopes of ALiBi
            self._parameter("max_context_len", [], np.int32),
            self._nothing(np.int32),  # window of the scores that it could give
            *(self._nothing(np.int32), self._nothing(np.int32), self._nothing(np.float32)),  # rotation of blocks
            *(self._nothing(np.float32), self._constant(np.int32(0)), self._constant(np.int32(0))),  # sparse attention
            self._sinks(sinks),
            *(self._constant(np.int32(0)), *(self._nothing(np.int32) for _ in range(3))),  # eviction of keys
            self._nothing(np.int32),  # types of tokens
            *(self._nothing(np.uint8), self._nothing(np.int32)),  # biases between queries
        ]
        operator = self._openvino.op._PagedAttentionExtension(inputs)  # noqa: SLF001 - OpenVINO has no other name for it
        told = operator.get_rt_info()
        told["num_k_heads"] = told["num_v_heads"] = layer.kv_heads
        told["k_head_size"], told["v_head_size"] = layer.key_size, layer.value_size
        return operator

    def _cache(self, index: int) -> list[Any]:
        dynamic = self._openvino.Type.dynamic  # until it is compiled for a precision
        return [self._parameter(f"{name}.{index}", [-1] * 4, dynamic) for name in ("key_cache", "value_cache")]

    def _tables(self) -> list[Any]:
        names = ("past_lens", "subsequence_begins", "block_indices", "block_indices_begins")
        return [self._parameter(name, [-1], np.int32) for name in names]

    def _sinks(self, marked: Sequence[Any]) -> Any:
        if not marked:
            return self._constant(np.zeros([0, 0, 0, 0], np.float32))
        (broadcast,) = marked
        heads = broadcast.get_node().input_value(0)
        shape = self._ops.constant(np.array([1, -1, 1, 1]))
        return self._ops.reshape(self._ops.convert(heads, np.float32), shape, False).output(0)

    def _nothing(self, kind: Any) -> Any:
        return self._constant(np.zeros([0], kind))

    def _constant(self, value: Any) -> Any:
        return self._ops.constant(value).output(0)

    def _parameter(self, name: str, shape: Sequence[int], kind: Any) -> Any:
        if name not in self.parameters:
            made = self._ops.parameter(shape, kind, name=name)
            made.output(0).set_names({name})
            self.parameters[name] = made
        return self.parameters[name].output(0)


def _markers(graph: Any) -> Iterator[tuple[int, Any]]:
    for node in graph.get_ops():
        name = str(node.get_friendly_name())
        if name.startswith(_NAME) and node.get_type_name() == "Concat":
            yield int(name.removeprefix(_NAME)), node


def _check(marker: Any, layer: PagedLayer, index: int) -> None:
    expected = [layer.heads * layer.key_size, layer.kv_heads * layer.key_size, layer.kv_heads * layer.value_size]
    shapes = [value.get_partial_shape() for value in marker.input_values()]
    found = [shape[1].get_length() for shape in shapes if len(shape) == 2 and shape[1].is_static]
    if found not in (expected, [*expected, layer.heads]):
        raise _unfit(f"layer {index} is of the sizes {found}, not {expected}")


def _unfit(what: str) -> PreconditionError:
    return PreconditionError(f"the graph is not the one that `{FILE}` is of: {what}", reason="load_failed")
