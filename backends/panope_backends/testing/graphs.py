"""Small ONNX graphs over token ids, made on the spot, with the inputs, outputs and shapes that a test asks for.

Needs the package `onnx`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from panope_backends.testing.models import VOCABULARY

WIDTH = 16

Side = int | str
"""A fixed one, or the name of a free one."""

#: What an output may be: token vectors, values for each word, the first token's vector, the mean, the mean of length 1.
KINDS = ("tokens", "logits", "first", "mean", "unit mean")


def text_graph(
    file: Path,
    outputs: Mapping[str, str],
    *,
    batch: Side = "batch",
    length: Side = "tokens",
    inputs: Sequence[str] = ("input_ids", "attention_mask"),
) -> None:
    """Writes a graph that looks each token up and then mixes a little of the text's mean into it.

    Args:
        file: to write.
        outputs: name -> one of `KINDS`.
        batch: texts of a call.
        length: tokens of a text.
        inputs: those beyond the first two are taken and not used.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    constants = {
        "table": random.standard_normal((VOCABULARY, WIDTH), dtype=np.float32),
        "words": random.standard_normal((WIDTH, VOCABULARY), dtype=np.float32),
        "zero": np.array(0),
        "axis": np.array([1]),
        "last": np.array([-1]),
        "share": np.array(0.25, np.float32),
    }
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["looked_up"]),
        *(
            [helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT)]
            if "attention_mask" in inputs
            else [
                helper.make_node("Equal", ["input_ids", "input_ids"], ["every"]),
                helper.make_node("Cast", ["every"], ["mask"], to=TensorProto.FLOAT),
            ]
        ),
        helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
        helper.make_node("ReduceSum", ["column", "axis"], ["count"], keepdims=1),
        *_mean("looked_up", "company", keep=1),
        helper.make_node("Mul", ["company", "share"], ["little"]),
        helper.make_node("Add", ["looked_up", "little"], ["vectors"]),
    ]
    for name, kind in outputs.items():
        nodes += _output(name, kind)
    shapes: dict[str, list[Any]] = {"tokens": [batch, length, WIDTH], "logits": [batch, length, VOCABULARY]}
    graph = helper.make_graph(
        nodes,
        "text",
        [helper.make_tensor_value_info(name, TensorProto.INT64, [batch, length]) for name in inputs],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes.get(kind, [batch, WIDTH]))
            for name, kind in outputs.items()
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), file)


def _output(name: str, kind: str) -> list[Any]:
    from onnx import helper

    match kind:
        case "tokens":
            return [helper.make_node("Identity", ["vectors"], [name])]
        case "logits":
            return [helper.make_node("MatMul", ["vectors", "words"], [name])]
        case "first":
            return [helper.make_node("Gather", ["vectors", "zero"], [name], axis=1)]
        case "mean":
            return _mean("vectors", name, keep=0)
        case "unit mean":
            return [
                *_mean("vectors", f"{name}_long", keep=0),
                helper.make_node("LpNormalization", [f"{name}_long"], [name]),
            ]
    raise ValueError(kind)


def _mean(of: str, name: str, *, keep: int) -> list[Any]:
    from onnx import helper

    squeezed = [] if keep else [helper.make_node("Squeeze", [f"{name}_kept", "axis"], [name])]
    return [
        helper.make_node("Mul", [of, "column"], [f"{name}_masked"]),
        helper.make_node("ReduceSum", [f"{name}_masked", "axis"], [f"{name}_sum"], keepdims=1),
        helper.make_node("Div", [f"{name}_sum", "count"], [name if keep else f"{name}_kept"]),
        *squeezed,
    ]
