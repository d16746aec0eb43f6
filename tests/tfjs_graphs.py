"""Graphs of TensorFlow.js in OpenVINO's format, as far as the models of `human-models` need it.

A `model.json` holds TensorFlow's GraphDef as JSON, with the values of constants in files beside it, and operators fused
for the browser, which are taken apart here. The classes of GraphDef are read from the wheel of `tensorboard`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.json_format import ParseDict
from tests.real_models import FOLDER, wheel

_TENSORBOARD = "tensorboard==2.20.0"

#: What fused operators are without what is fused into them.
_FUSED = {"_FusedConv2D": "Conv2D", "FusedDepthwiseConv2dNative": "DepthwiseConv2dNative"}
#: Where tensors of no axes have their value.
_SCALARS = {"float32": "float_val", "int32": "int_val", "int64": "int64_val"}

#: TensorFlow's number of a type that browsers have not: such constants are stored as int32.
_INT64 = 9

_ADDS, _ACTIVATIONS = {"BiasAdd"}, {"Relu", "Relu6", "Elu"}


def npm_member(package: str, name: str) -> bytes:
    """A file of an npm package, `name@version`; where it cannot be had, the test is skipped."""
    folder = FOLDER / package.strip("@").replace("/", "-")
    if not list(folder.glob("*.tgz")):
        FOLDER.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=FOLDER) as place:
            command = ["npm", "pack", "--silent", package]
            try:
                done = subprocess.run(command, cwd=place, capture_output=True, check=False, timeout=250)
            except (OSError, subprocess.TimeoutExpired):
                pytest.skip(f"the package {package} cannot be downloaded")
            for each in Path(place).glob("*.tgz") if done.returncode == 0 else []:
                folder.mkdir(exist_ok=True)
                each.replace(folder / each.name)  # whole at once: other processes look for it too
    for file in folder.glob("*.tgz"):
        with tarfile.open(file) as archive:
            member = archive.extractfile(f"package/{name}")
            assert member is not None
            return member.read()
    pytest.skip(f"the package {package} cannot be downloaded")


def write_openvino(described: bytes, weights: bytes, folder: Path, outputs: dict[str, str]) -> None:
    """Writes `openvino_model.xml` and its weights.

    Args:
        described: the model.json.
        weights: the only file of weights.
        folder: where to; it exists.
        outputs: TensorFlow's names of those that are wanted, by their new names.
    """
    import openvino

    content = json.loads(described)
    graph = _graph_of(content["modelTopology"], _values_of(content["weightsManifest"], weights))
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "graph.pb"
        file.write_bytes(graph.SerializeToString())
        model = openvino.convert_model(file, output=list(outputs.values()))
    for port, name in zip(model.outputs, outputs, strict=True):
        port.get_tensor().set_names({name})
    (given,) = model.inputs
    given.get_tensor().set_names({"images"})
    openvino.save_model(model, folder / "openvino_model.xml", compress_to_fp16=False)


def _values_of(manifest: list[dict[str, Any]], data: bytes) -> dict[str, np.ndarray[Any, Any]]:
    found, place = {}, 0
    for each in (one for group in manifest for one in group["weights"]):
        stored = np.dtype(each.get("quantization", {}).get("dtype", each["dtype"]))
        count = int(np.prod(each["shape"], dtype=np.int64))
        values = np.frombuffer(data, stored, count, place).reshape(each["shape"])
        found[each["name"]] = values.astype(each["dtype"])
        place += count * stored.itemsize
    assert place == len(data)
    return found


def _graph_of(topology: dict[str, Any], values: dict[str, np.ndarray[Any, Any]]) -> Any:
    if (path := str(wheel(_TENSORBOARD))) not in sys.path:
        sys.path.append(path)
    from tensorboard.compat.proto.graph_pb2 import GraphDef  # type: ignore[import-not-found]

    graph = ParseDict({"node": topology["node"]}, GraphDef(), ignore_unknown_fields=True)
    plain = GraphDef()
    for node in graph.node:
        if node.name in values:
            tensor, kind = node.attr["value"].tensor, node.attr["dtype"].type
            array = values[node.name].astype(np.int64 if kind == _INT64 else values[node.name].dtype)
            tensor.Clear()
            tensor.dtype = kind
            for side in array.shape:
                tensor.tensor_shape.dim.add(size=side)
            if array.ndim:
                tensor.tensor_content = array.tobytes()
            else:  # the reader takes the content of scalars for none
                getattr(tensor, _SCALARS[array.dtype.name]).append(array.item())
        if node.op in _FUSED:
            _take_apart(node, plain)
        else:
            plain.node.add().CopyFrom(node)
    return plain


def _take_apart(node: Any, plain: Any) -> None:
    """A fused operator as the operators that it stands for; the last has its name."""
    steps = [step.decode() for step in node.attr["fused_ops"].list.s]
    assert set(steps) <= _ADDS | _ACTIVATIONS
    names = [f"{node.name}/{place}" for place in range(len(steps))] + [node.name]
    inputs = list(node.input)
    first = plain.node.add(name=names[0], op=_FUSED[node.op])
    first.input.extend(inputs[:2])
    for key in ("strides", "padding", "dilations", "data_format", "T", "explicit_paddings"):
        if key in node.attr:
            first.attr[key].CopyFrom(node.attr[key])
    for place, step in enumerate(steps):
        made = plain.node.add(name=names[place + 1], op=step)
        made.input.append(names[place])
        made.attr["T"].CopyFrom(node.attr["T"])
        if step in _ADDS:
            made.input.append(inputs[2])
