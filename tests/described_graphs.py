"""Small ONNX files with `panope.json`, one of each task, whose answers can be told by looking at the image."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save
from PIL import Image

FOUR_BY_FOUR = {"height": 4, "width": 4}

WHITE = (255, 255, 255)


def write_described(
    folder: Path,
    content: dict[str, Any],
    *nodes: Any,
    outputs: tuple[str, ...],
    takes: Sequence[int | str] = ("batch", 3, "height", "width"),
    **arrays: Any,
) -> None:
    """A graph of one input, `pixels`, with its description.

    Args:
        folder: of the model; it exists.
        content: of panope.json, but for the version, and the input where it is of 4 × 4.
        nodes: of the graph.
        outputs: their names.
        takes: the shape of `pixels`.
        arrays: the graph's constants.
    """
    values = [numpy_helper.from_array(np.asarray(value), name) for name, value in arrays.items()]
    given = [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, takes)]
    made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    graph = helper.make_graph(list(nodes), "tiny", given, made, values)
    save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), folder / "model.onnx")
    (folder / "panope.json").write_text(json.dumps({"version": 1, "input": FOUR_BY_FOUR, **content}))


def write_classifier(folder: Path) -> None:
    """Says `light` of what is white and `dark` of what is black, with a probability of 1 / (1 + e⁻⁸) for white."""
    write_described(
        folder,
        {"task": "classify", "output": {"decoder": "labels"}, "labels": ["dark", "light"]},
        helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "one"], ["column"]),
        helper.make_node("Mul", ["column", "weights"], ["scores"]),
        outputs=("scores",),
        one=np.array([1]),
        weights=np.array([[-4, 4]], np.float32),
    )


def write_segmenter(folder: Path) -> None:
    """Cuts out what is white, by the second of two outputs."""
    write_described(
        folder,
        {"task": "segment", "output": {"decoder": "salient-mask", "mask": "saliency"}, "labels": ["object"]},
        helper.make_node("ReduceMean", ["pixels"], ["saliency"], axes=[1]),
        helper.make_node("Neg", ["pixels"], ["other"]),
        outputs=("other", "saliency"),
    )


def write_detector(folder: Path, **given: Any) -> None:
    """Finds each pixel of what the graph sees that is white.

    Args:
        folder: of the model.
        given: of `input`, such as its height and width; the image's own size by default.
    """
    output = {"decoder": "center-points", "heatmap": "heat", "sizes": "sizes", "offsets": "offsets", "stride": 1}
    write_described(
        folder,
        {"task": "detect", "input": given, "output": output, "labels": ["face"]},
        helper.make_node("Slice", ["pixels", "zero", "one", "axis"], ["heat"]),
        helper.make_node("Slice", ["pixels", "one", "three", "axis"], ["channels"]),
        helper.make_node("Mul", ["channels", "nothing"], ["sizes"]),
        helper.make_node("Identity", ["sizes"], ["offsets"]),
        outputs=("heat", "sizes", "offsets"),
        zero=[0],
        one=[1],
        three=[3],
        axis=[1],
        nothing=np.float32(0),
    )


def write_enlarger(folder: Path, scale: int = 2, **given: Any) -> None:
    """Makes each pixel a square of 2 × 2, whatever `scale` it says.

    Args:
        folder: of the model.
        scale: of `output`.
        given: of `input`, such as its height and width; the image's own size by default.
    """
    sides = (given.get("height", "height"), given.get("width", "width"))
    write_described(
        folder,
        {"task": "super-resolution", "input": given, "output": {"decoder": "image", "scale": scale}},
        helper.make_node(
            "Resize",
            ["pixels", "", "scales"],
            ["image"],
            mode="nearest",
            nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        ),
        outputs=("image",),
        takes=("batch", 3, *sides),
        scales=np.array([1, 1, 2, 2], np.float32),
    )


def png(size: tuple[int, int], box: tuple[int, int, int, int] | None = None, colour: Any = WHITE) -> bytes:
    """A black image in which a box, or all of it, has a colour."""
    image = Image.new("RGB", size)
    image.paste(colour, box or (0, 0, *size))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
