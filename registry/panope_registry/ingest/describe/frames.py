"""Graphs that make the frame between two: RIFE's and FILM's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from panope_backends.api import TensorSpec
from panope_registry.ingest.describe.folder import Folder, Graph
from panope_registry.ingest.describe.match import Match

#: What the sides of frames are filled up to: both models halve them several times.
_MULTIPLE = 64

_WORDS = ("rife", "ifnet", "flownet", "film", "interp")
_COLOURS = 3


def frame_between(folder: Folder) -> Match | None:
    """Two images, and perhaps how far from the one to the other, to an image of their size."""
    graph = folder.only
    if graph is None or not graph.outputs or len(graph.outputs[0].shape) != 4:
        return None
    if len(graph.outputs) > 1 and not graph.says(*_WORDS):
        return None
    found = _inputs_of(graph)
    if found is None:
        return None
    given, is_plain = found
    output: dict[str, Any] = {"decoder": "frame-between"}
    if len(graph.outputs) > 1:
        output["image"] = graph.outputs[0].name
    description = {"task": "frame-interpolation", "input": given, "output": output}
    because = "it makes an image of two, as RIFE and FILM do"
    return Match("frame-between", description, because, is_certain=is_plain or graph.says(*_WORDS))


def _inputs_of(graph: Graph) -> tuple[dict[str, Any], bool] | None:
    """How frames become the inputs, and whether nothing else takes the like; None where they do not."""
    images = [spec for spec in graph.inputs if _is_image(spec)]
    rest = [spec for spec in graph.inputs if spec not in images]
    if len(rest) > 1:
        return None
    if len(images) == 2 and images[0].shape == images[1].shape and _layout(graph.outputs[0]) == _layout(images[0]):
        first, second = _in_order(images)
        return {"first": first.name, "second": second.name, **_sides(images[0]), **_timestep(rest)}, bool(rest)
    if len(graph.inputs) == 1 and _layout(graph.outputs[0]) == "NCHW":
        (only,) = graph.inputs
        channels = only.shape[1] if len(only.shape) == 4 else 0
        if channels in (2 * _COLOURS, 2 * _COLOURS + 1):
            form = {"timestep_form": "channel"} if channels % 2 else {}
            return {"frames": only.name, **_sides(only), **form}, False
    return None


def _timestep(rest: Sequence[TensorSpec]) -> dict[str, Any]:
    if not rest:
        return {}
    (spec,) = rest
    is_plane = len(spec.shape) == 4 and spec.shape[2:] != (1, 1)
    return {"timestep": spec.name, **({"timestep_form": "plane"} if is_plane else {})}


def _in_order(images: Sequence[TensorSpec]) -> Sequence[TensorSpec]:
    """By the numbers in their names, as exporters write them in any order."""
    return sorted(images, key=lambda spec: spec.name) if all(spec.name[-1:].isdigit() for spec in images) else images


def _is_image(spec: TensorSpec) -> bool:
    return len(spec.shape) == 4 and bool(_layout(spec))


def _layout(spec: TensorSpec) -> str:
    if len(spec.shape) != 4:
        return ""
    return "NCHW" if spec.shape[1] == _COLOURS else "NHWC" if spec.shape[3] == _COLOURS else ""


def _sides(spec: TensorSpec) -> dict[str, Any]:
    last = _layout(spec) == "NHWC"
    height, width = spec.shape[1:3] if last else spec.shape[2:]
    sides = {"height": height, "width": width} if min(height, width) > 0 else {"multiple_of": _MULTIPLE}
    return {**sides, **({"layout": "NHWC"} if last else {})}
