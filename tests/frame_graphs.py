"""Small ONNX files with `panope.json` that make the frame between two: one blends them, one is a tiny seeded RIFE."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

OUTPUT = {"decoder": "frame-between"}
PAIR = {"first": "first", "second": "second"}


def write_blend(folder: Path, *, timestep: bool = True, multiple_of: int = 1, **given: Any) -> Path:
    """Each pixel is what it was in both frames, by how near they are: (1 - t) first + t second.

    Args:
        folder: of the model; it is made.
        timestep: whether the graph takes t; it is a half otherwise.
        multiple_of: of `input`.
        given: of `input` beside the names, such as a fixed height and width.
    """
    nodes = [
        helper.make_node("Sub", ["second", "first"], ["step"]),
        helper.make_node("Mul", ["step", "timestep"], ["part"]),
        helper.make_node("Add", ["first", "part"], ["between"]),
    ]
    constants = {} if timestep else {"timestep": np.float32(0.5)}
    names = {**PAIR, **({"timestep": "timestep"} if timestep else {})}
    sides = {"multiple_of": multiple_of} if multiple_of > 1 else {}
    return _write(folder, nodes, {**names, **sides, **given}, (given.get("height"), given.get("width")), constants)


def write_rife(folder: Path, seed: int = 3, **given: Any) -> Path:
    """Convolutions of both frames and the timestep's plane give where to look, and how much of each frame counts.

    Half of the size is convolved, so its sides must be even; frames are moved by `GridSample`, as RIFE moves them.

    Args:
        folder: of the model; it is made.
        seed: of the weights.
        given: of `input` beside the names.
    """
    rng = np.random.default_rng(seed)
    weights = {
        "down": rng.normal(0, 0.3, (8, 7, 3, 3)),
        "middle": rng.normal(0, 0.3, (8, 8, 3, 3)),
        "up": rng.normal(0, 0.2, (8, 5, 4, 4)),
    }
    constants: dict[str, Any] = {name: value.astype(np.float32) for name, value in weights.items()}
    constants |= {
        "mover": np.float32(0.05),
        "one": np.float32(1),
        "theta": np.array([[[1, 0, 0], [0, 1, 0]]], np.float32),
        "zero": np.array([0]),
        "two": np.array([2]),
        "four": np.array([4]),
        "five": np.array([5]),
        "axis": np.array([1]),
    }
    nodes = [
        helper.make_node("Concat", ["first", "second", "timestep"], ["seen"], axis=1),
        helper.make_node("Conv", ["seen", "down"], ["halved"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("LeakyRelu", ["halved"], ["active"], alpha=0.2),
        helper.make_node("Conv", ["active", "middle"], ["mixed"], pads=[1, 1, 1, 1]),
        helper.make_node("ConvTranspose", ["mixed", "up"], ["found"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Shape", ["first"], ["size"]),
        helper.make_node("AffineGrid", ["theta", "size"], ["grid"], align_corners=1),
    ]
    for frame, start, end in (("first", "zero", "two"), ("second", "two", "four")):
        nodes += [
            helper.make_node("Slice", ["found", start, end, "axis"], [f"{frame}_flow"]),
            helper.make_node("Tanh", [f"{frame}_flow"], [f"{frame}_bounded"]),
            helper.make_node("Mul", [f"{frame}_bounded", "mover"], [f"{frame}_move"]),
            helper.make_node("Transpose", [f"{frame}_move"], [f"{frame}_last"], perm=[0, 2, 3, 1]),
            helper.make_node("Add", ["grid", f"{frame}_last"], [f"{frame}_grid"]),
            helper.make_node(
                "GridSample",
                [frame, f"{frame}_grid"],
                [f"{frame}_moved"],
                mode="linear",
                padding_mode="border",
                align_corners=1,
            ),
        ]
    nodes += [
        helper.make_node("Slice", ["found", "four", "five", "axis"], ["mask_values"]),
        helper.make_node("Sigmoid", ["mask_values"], ["mask"]),
        helper.make_node("Sub", ["one", "mask"], ["rest"]),
        helper.make_node("Mul", ["first_moved", "mask"], ["of_first"]),
        helper.make_node("Mul", ["second_moved", "rest"], ["of_second"]),
        helper.make_node("Add", ["of_first", "of_second"], ["between"]),
    ]
    names = {**PAIR, "timestep": "timestep", "timestep_form": "plane", "multiple_of": 8}
    return _write(folder, nodes, {**names, **given}, (None, None), constants, plane=True)


def _write(
    folder: Path,
    nodes: list[Any],
    described: dict[str, Any],
    sides: tuple[int | None, int | None],
    constants: dict[str, Any],
    *,
    plane: bool = False,
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    shape = [1, 3, sides[0] or "height", sides[1] or "width"]
    takes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("first", "second")]
    if "timestep" in described:
        takes.append(
            helper.make_tensor_value_info("timestep", TensorProto.FLOAT, [1, 1, *shape[2:]] if plane else [1, 1, 1, 1])
        )
    makes = [helper.make_tensor_value_info("between", TensorProto.FLOAT, shape)]
    values = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "between", takes, makes, values)
    save(helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 20)]), folder / "model.onnx")
    content = {"version": 1, "task": "frame-interpolation", "input": described, "output": OUTPUT}
    (folder / "panope.json").write_text(json.dumps(content))
    return folder
