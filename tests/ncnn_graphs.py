"""Convolutional models in ncnn's format as ONNX graphs, as far as Real-ESRGAN's small ones need it.

Sources: ncnn's wiki, "param and model file structure" and "operators". The .param file lists layers, each with its
inputs, its outputs and numbered values; the .bin file has their weights in that order.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

_MAGIC = "7767517"

#: What marks weights of 16 bits; other marks are not read here.
_HALVES = 0x01306B47


class _Weights:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def floats(self, count: int) -> np.ndarray[Any, Any]:
        found = np.frombuffer(self._data, "<f4", count, self._place)
        self._place += 4 * count
        return found

    def marked(self, count: int) -> np.ndarray[Any, Any]:
        """Behind a mark that says how they are written; of 16 bits they end at a multiple of four bytes."""
        (mark,) = struct.unpack_from("<I", self._data, self._place)
        self._place += 4
        if mark == 0:
            return self.floats(count)
        assert mark == _HALVES
        found = np.frombuffer(self._data, "<f2", count, self._place).astype(np.float32)
        self._place += -(-2 * count // 4) * 4
        return found

    @property
    def is_read(self) -> bool:
        return self._place == len(self._data)


def onnx_of(param: str, weights: bytes) -> bytes:
    """A graph of one input, `data`, of any size, and one output, `output`."""
    magic, _, *lines = param.strip().splitlines()
    assert magic == _MAGIC
    read, nodes, arrays = _Weights(weights), list[Any](), dict[str, np.ndarray[Any, Any]]()
    for line in lines:
        nodes += _nodes(line.split(), read, arrays)
    assert read.is_read
    shape = ("batch", 3, "height", "width")
    given = helper.make_tensor_value_info("data", TensorProto.FLOAT, shape)
    made = helper.make_tensor_value_info("output", TensorProto.FLOAT, ("batch", 3, "rows", "columns"))
    kept = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "ncnn", [given], [made], kept)
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    return bytes(model.SerializeToString())


def _nodes(words: list[str], read: _Weights, arrays: dict[str, Any]) -> Iterator[Any]:
    kind, name, inputs, outputs = words[0], words[1], int(words[2]), int(words[3])
    sources, made = words[4 : 4 + inputs], words[4 + inputs : 4 + inputs + outputs]
    values = {int(key): value for key, value in (word.split("=") for word in words[4 + inputs + outputs :])}

    def kept(part: str, array: np.ndarray[Any, Any]) -> str:
        arrays[f"{name}.{part}"] = array
        return f"{name}.{part}"

    match kind:
        case "Input":
            return
        case "Split":
            for each in made:
                yield helper.make_node("Identity", sources, [each])
        case "Convolution":
            channels, side, pad, count = (int(values[key]) for key in (0, 1, 4, 6))
            weights = kept("weight", read.marked(count).reshape(channels, -1, side, side))
            bias = kept("bias", read.floats(channels))
            yield helper.make_node("Conv", [*sources, weights, bias], made, pads=[pad] * 4)
        case "PReLU":
            slopes = kept("slope", read.floats(int(values[0])).reshape(-1, 1, 1))
            yield helper.make_node("PRelu", [*sources, slopes], made)
        case "PixelShuffle":
            yield helper.make_node("DepthToSpace", sources, made, blocksize=int(values[0]), mode="CRD")
        case "Interp":
            assert values[0] == "1"  # nearest
            scales = kept("scales", np.array([1, 1, float(values[1]), float(values[2])], np.float32))
            modes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
            yield helper.make_node("Resize", [*sources, "", scales], made, **modes)
        case "BinaryOp":
            yield helper.make_node("Add", sources, made)
        case _:
            raise AssertionError(f"no such layer: {kind}")
