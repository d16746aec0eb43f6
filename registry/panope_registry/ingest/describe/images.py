"""Graphs of one image: detectors, masks, points, labels, larger images."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from panope_backends.api import TensorSpec
from panope_registry.ingest.describe.folder import Folder, Graph
from panope_registry.ingest.describe.match import Match

_IMAGENET: Mapping[str, Any] = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
_NANODET: Mapping[str, Any] = {
    "range": [0, 255],
    "colors": "BGR",
    "mean": [103.53, 116.28, 123.675],
    "std": [57.375, 57.12, 58.395],
}

_FACE = ["left eye", "right eye", "nose", "left corner of the mouth", "right corner of the mouth"]
_PERSON = [
    *("nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder"),
    *("left elbow", "right elbow", "left wrist", "right wrist", "left hip", "right hip"),
    *("left knee", "right knee", "left ankle", "right ankle"),
]
_CDLA = [
    *("text", "title", "figure", "figure_caption", "table"),
    *("table_caption", "header", "footer", "reference", "equation"),
]

#: Values for four edges: 8 each of PicoDet and of the smaller NanoDets, 11 of the larger.
_BINS = {"picodet": (32,), "nanodet": (32, 44)}
_STRIDES = (4, 8, 16, 32, 64, 128)

_SCALE = re.compile(r"(?:^|[^0-9a-z])(?:x([2348])|([2348])x)(?:[^0-9a-z]|$)|(?:x([2348]))(?:plus)?(?:[^0-9a-z]|$)")


def centerface(folder: Folder) -> Match | None:
    """Four maps: scores, sizes, offsets and five points of a face."""
    graph = folder.only
    if graph is None or graph.image is None or [_channels(spec) for spec in graph.outputs] != [1, 2, 2, 10]:
        return None
    heatmap, sizes, offsets, landmarks = (spec.name for spec in graph.outputs)
    output = {"decoder": "center-points", "heatmap": heatmap, "sizes": sizes, "offsets": offsets}
    description = {
        "task": "detect",
        "input": {"multiple_of": 32, "range": [0, 255]},
        "output": {**output, "landmarks": landmarks, "points": _FACE},
        "labels": ["face"],
    }
    return Match("centerface", description, "its four outputs have the channels of CenterFace's: 1, 2, 2 and 10")


def movenet(folder: Folder) -> Match | None:
    """Seventeen points of one person, of an image whose axes end with its colours."""
    graph = folder.only
    size = _size(graph.image, last=True) if graph and graph.image else None
    if graph is None or size is None or len(graph.outputs) != 1 or graph.outputs[0].shape[-3:] != (1, 17, 3):
        return None
    description = {
        "task": "detect",
        "input": {"height": size[0], "width": size[1], "layout": "NHWC", "range": [0, 255]},
        "output": {"decoder": "keypoints", "points": _PERSON},
        "labels": ["person"],
    }
    return Match("movenet", description, "it gives 17 points of one person as MoveNet does")


def nanodet(folder: Folder) -> Match | None:
    """Scores and distances of edges for each grid, as NanoDet has them."""
    return _of_grids(folder, "nanodet", _NANODET, ("nanodet",), ("picodet", "layout"))


def picodet(folder: Folder) -> Match | None:
    """The same, of PicoDet."""
    given = {"antialias": False, "colors": "BGR" if _says(folder, "layout") else "RGB", **_IMAGENET}
    return _of_grids(folder, "picodet", given, ("picodet", "layout"), ("nanodet",))


def u2net(folder: Folder) -> Match | None:
    """Masks of the image's size: seven of a U²-Net, of which the first counts."""
    graph = folder.only
    size = _size(graph.image) if graph and graph.image else None
    if graph is None or size is None or len(graph.outputs) not in (1, 7):
        return None
    # Of the masks behind the first, files often leave every axis open.
    if _channels(graph.outputs[0]) != 1 or any(
        len(spec.shape) != 4 or spec.shape[1] not in (1, -1) or spec.shape[2:] not in (size, (-1, -1))
        for spec in graph.outputs
    ):
        return None
    scaled = {"height": size[0], "width": size[1], "interpolation": "lanczos", "stretch_to_max": True, **_IMAGENET}
    description = {
        "task": "segment",
        "input": scaled,
        "output": {"decoder": "salient-mask", "mask": graph.outputs[0].name},
        "labels": ["object"],
    }
    is_certain = len(graph.outputs) == 7
    return Match("u2net", description, "it gives masks of the image's size as U²-Net does", is_certain=is_certain)


def real_esrgan(folder: Folder) -> Match | None:
    """An image several times as wide and high."""
    graph = folder.only
    if graph is None or graph.image is None or len(graph.outputs) != 1:
        return None
    if _channels(graph.image) != 3 or _channels(graph.outputs[0]) != 3:
        return None
    scale = _scale(graph)
    if scale is None:
        return None
    description = {"task": "super-resolution", "input": {}, "output": {"decoder": "image", "scale": scale}}
    return Match("real-esrgan", description, f"it gives an image {scale} times as wide and high, as Real-ESRGAN does")


def imagenet(folder: Folder) -> Match | None:
    """A value for each of some labels; how images are prepared, no graph tells."""
    graph = folder.only
    if graph is None or graph.image is None or len(graph.outputs) != 1 or len(graph.outputs[0].shape) != 2:
        return None
    count, last = graph.outputs[0].shape[1], graph.image.shape[-1] == 3
    if not 2 <= count <= 100_000:
        return None
    height, width = _size(graph.image, last=last) or (224, 224)
    scaled = {"height": height, "width": width, "resize": "crop", "crop_from": max(height, width) * 8 // 7}
    description = {
        "task": "classify",
        "input": {**scaled, **({"layout": "NHWC"} if last else {}), **_IMAGENET},
        "output": {"decoder": "labels"},
        "labels": folder.labels(count),
    }
    because = "it gives a value for each label; images are prepared as for ImageNet"
    return Match("imagenet", description, because, is_certain=False)


def _of_grids(
    folder: Folder, name: str, given: Mapping[str, Any], words: Sequence[str], others: Sequence[str]
) -> Match | None:
    graph = folder.only
    size = _size(graph.image) if graph and graph.image else None
    grids = _grids(graph, size, _BINS[name]) if graph and size else None
    if graph is None or size is None or grids is None or graph.says(*others):
        return None
    scores, distances, strides = grids
    count = scores[0].shape[-1]
    description = {
        "task": "detect",
        "input": {"height": size[0], "width": size[1], **given},
        "output": {
            "decoder": "distribution-boxes",
            "scores": [spec.name for spec in scores],
            "distances": [spec.name for spec in distances],
            "strides": strides,
        },
        "labels": _CDLA if count == len(_CDLA) and graph.says("cdla") else folder.labels(count),
    }
    because = f"it gives scores and distances for {len(strides)} grids, and its name says {name}"
    if not graph.says(*words):
        because = f"it gives scores and distances for {len(strides)} grids"
    return Match(name, description, because)


def _grids(
    graph: Graph, size: tuple[int, int], known: Sequence[int]
) -> tuple[list[TensorSpec], list[TensorSpec], list[int]] | None:
    """The scores, the distances and the stride of each grid, the finest first."""
    if len(graph.outputs) < 4 or len(graph.outputs) % 2 or any(len(spec.shape) != 3 for spec in graph.outputs):
        return None
    widths = {spec.shape[-1] for spec in graph.outputs}
    bins = [width for width in widths if width in known]
    if len(widths) != 2 or len(bins) != 1:
        return None
    by_places = lambda spec: -spec.shape[1]  # noqa: E731 - of two sorts
    distances = sorted((spec for spec in graph.outputs if spec.shape[-1] == bins[0]), key=by_places)
    scores = sorted((spec for spec in graph.outputs if spec.shape[-1] != bins[0]), key=by_places)
    if [spec.shape[1] for spec in scores] != [spec.shape[1] for spec in distances]:
        return None
    places = {-(-size[0] // stride) * -(-size[1] // stride): stride for stride in _STRIDES}
    strides = [places.get(spec.shape[1], 0) for spec in scores]
    return (scores, distances, strides) if all(strides) else None


def _scale(graph: Graph) -> int | None:
    """How many times as wide and high the output is, by its shape or by the file's name."""
    assert graph.image is not None
    taken, given = graph.image.shape[2:], graph.outputs[0].shape[2:]
    if min(*taken, *given) > 0:
        scale = given[0] // taken[0]
        return scale if 2 <= scale <= 16 and given == (taken[0] * scale, taken[1] * scale) else None
    found = _SCALE.search(graph.path.lower())
    return int(next(filter(None, found.groups()))) if found else None


def _size(image: TensorSpec, *, last: bool = False) -> tuple[int, int] | None:
    """The height and width that a graph takes; None where they are open, or it takes no three colours."""
    colours, sides = (image.shape[3], image.shape[1:3]) if last else (image.shape[1], image.shape[2:])
    return (sides[0], sides[1]) if colours == 3 and min(sides) > 0 else None


def _channels(spec: TensorSpec) -> int:
    return spec.shape[1] if len(spec.shape) == 4 else 0


def _says(folder: Folder, word: str) -> bool:
    return any(graph.says(word) for graph in folder.graphs)
