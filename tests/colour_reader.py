"""A model of the task `ocr` whose answers can be told by looking at the image: three small ONNX files.

On black, white bars are lines. In them red, green and blue are the letters `r`, `g` and `b`, yellow is a space, and
white is nothing. A line that begins with blue and does not with red stands on its head.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper, save
from PIL import Image

#: What is left out of an image's description: values are colours of 0 to 1, and lines are as large as they look.
_PLAIN: dict[str, Any] = {"mean": [0, 0, 0], "std": [1, 1, 1], "colors": "RGB"}
DESCRIPTION: dict[str, Any] = {
    "version": 1,
    "task": "ocr",
    "detector": {"file": "find.onnx", "min_side": 32, "max_side": 512, "expand": 0, "dilate": False, **_PLAIN},
    "orientation": {"file": "turn.onnx", "height": 16, "width": 64, **_PLAIN},
    "recognizer": {"file": "read.onnx", "height": 16, "width": 64, "max_width": 512, **_PLAIN},
}

COLOURS = {
    "r": (255, 0, 0),
    "g": (0, 255, 0),
    "b": (0, 0, 255),
    " ": (255, 255, 0),
    "-": (255, 255, 255),
}
CELL = 16
"""Pixels of a letter, which is as high as wide."""


def write_colour_reader(folder: Path, **changed: Any) -> Path:
    """The files of the model; parts of the description may be changed."""
    folder.mkdir(parents=True, exist_ok=True)
    description = {**DESCRIPTION, **changed}
    for name, graph in (("find", _detector()), ("turn", _orientation()), ("read", _recognizer())):
        save(graph, folder / f"{name}.onnx")
    (folder / "panope.json").write_text(json.dumps(description))
    return folder


def line(text: str) -> Image.Image:
    """A line: its letters beside each other, with white before, between and behind them."""
    spaced = f"-{'-'.join(text)}-"
    image = Image.new("RGB", (CELL * len(spaced), CELL))
    for at, letter in enumerate(spaced):
        image.paste(COLOURS[letter], (at * CELL, 0, (at + 1) * CELL, CELL))
    return image


def page(lines: Sequence[tuple[int, int, Image.Image]], size: tuple[int, int] = (400, 300)) -> Image.Image:
    """Lines at their places on black."""
    image = Image.new("RGB", size)
    for left, top, each in lines:
        image.paste(each, (left, top))
    return image


def png(image: Image.Image) -> bytes:
    """An image as a file."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _detector() -> ModelProto:
    """The largest of a place's colours."""
    nodes = [helper.make_node("ReduceMax", ["x"], ["y"], axes=[1], keepdims=1)]
    return _graph(nodes, ["n", 1, "h", "w"])


def _orientation() -> ModelProto:
    """How much more blue than red the first columns have."""
    nodes = [
        helper.make_node("Slice", ["x", "begin", "end", "axis"], ["left"]),
        helper.make_node("ReduceMean", ["left"], ["colours"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["colours", "weights"], ["raw"]),
        helper.make_node("Clip", ["raw", "zero", "one"], ["y"]),
    ]
    weights = np.array([[8, -8], [0, 0], [-8, 8]], np.float32)
    return _graph(
        nodes,
        ["n", 2],
        begin=np.array([0]),
        end=np.array([24]),
        axis=np.array([3]),
        weights=weights,
        zero=np.float32(0),
        one=np.float32(1),
    )


def _recognizer() -> ModelProto:
    """Of each 4 columns the colour: none, for white and black, `r`, `g`, `b`, or a space."""
    weights = np.array([[0, 1, -1, -1, 1], [0, -1, 1, -1, 1], [0, -1, -1, 1, -1], [1, 0, 0, 0, 0]], np.float32)
    nodes = [
        helper.make_node("AveragePool", ["x"], ["columns"], kernel_shape=[16, 4], strides=[16, 4]),
        helper.make_node("Squeeze", ["columns", "height"], ["flat"]),
        helper.make_node("Transpose", ["flat"], ["places"], perm=[0, 2, 1]),
        helper.make_node("ReduceSum", ["places", "colours"], ["light"], keepdims=1),
        helper.make_node("Sub", ["light", "grey"], ["from_grey"]),
        helper.make_node("Abs", ["from_grey"], ["extreme"]),
        helper.make_node("Concat", ["places", "extreme"], ["values"], axis=2),
        helper.make_node("MatMul", ["values", "weights"], ["weighed"]),
        helper.make_node("Add", ["weighed", "bias"], ["raw"]),
        helper.make_node("Mul", ["raw", "sharp"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["y"], axis=2),
    ]
    made = _graph(
        nodes,
        ["n", "t", 5],
        height=np.array([2]),
        weights=weights,
        colours=np.array([2]),
        grey=np.float32(1.5),
        bias=np.array([-0.5, 0, 0, 0, -1], np.float32),
        sharp=np.float32(8),
    )
    helper.set_model_props(made, {"character": "r\ng\nb"})
    return made


def _graph(nodes: Sequence[Any], gives: Sequence[int | str], **arrays: Any) -> ModelProto:
    values = [numpy_helper.from_array(np.asarray(value), name) for name, value in arrays.items()]
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])]
    made = [helper.make_tensor_value_info("y", TensorProto.FLOAT, gives)]
    graph = helper.make_graph(list(nodes), "colours", given, made, values)
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
