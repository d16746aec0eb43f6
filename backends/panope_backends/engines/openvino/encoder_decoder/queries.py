"""Queries that the decoder's graph asks sources with, told beside its outputs: with them attention can be computed.

The graph multiplies them by keys within one operation, whose weights no output has.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_ATTENTION = "ScaledDotProductAttention"
#: Of its inputs.
_QUERY, _KEY, _SCALE = 0, 1, 4


def add_queries(openvino: Any, graph: Any, layers: int) -> tuple[float, ...]:
    """Adds `cross_query.0` and so on, `[sequences, heads, tokens, size]`, to a decoder's outputs.

    Args:
        openvino: the module.
        graph: of the decoder, not compiled yet.
        layers: of the decoder.

    Returns:
        What each layer multiplies the products of queries and keys by; nothing for a graph in which a layer attends to
        sources by other operations, which stays as it is.
    """
    found = [_attention(graph, index) for index in range(layers)]
    if None in found:
        return ()
    for index, operation in enumerate(found):
        name = f"cross_query.{index}"
        query = operation.input_value(_QUERY)
        query.get_tensor().add_names({name})
        graph.add_results([openvino.opset13.result(query, name)])
    return tuple(float(operation.input_value(_SCALE).get_node().data) for operation in found)


def attention_of(query: Array, key: Array, scale: float) -> Array:
    """The weights of one head.

    Args:
        query: tokens × size.
        key: states × size.
        scale: of their products.

    Returns:
        float32, tokens × states.
    """
    scores = query.astype(np.float32) @ key.T * np.float32(scale)
    scores -= scores.max(axis=1, keepdims=True)
    weights: Array = np.exp(scores, out=scores)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def _attention(graph: Any, index: int) -> Any:
    """What attends to sources in a layer; None where it is no single operation, or tells no scale."""
    readers = list(graph.input(f"cross_key.{index}").get_target_inputs())
    if len(readers) != 1 or readers[0].get_index() != _KEY:
        return None
    operation = readers[0].get_node()
    if operation.get_type_name() != _ATTENTION or operation.get_input_size() <= _SCALE:
        return None
    return operation if operation.input_value(_SCALE).get_node().get_type_name() == "Constant" else None
