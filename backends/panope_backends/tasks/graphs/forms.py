"""Compares what a graph takes and gives with what `panope.json` says, before it is called ready."""

from __future__ import annotations

import math
from collections.abc import Sequence

from panope_backends.api import Arrays, TensorSpec
from panope_backends.errors import PreconditionError
from panope_backends.graphs.decoders import (
    BoxRows,
    CenterPoints,
    DistributionBoxes,
    Keypoints,
    LabelScores,
    Pixels,
    SalientMask,
)
from panope_backends.graphs.description import Description, ImageInput
from panope_backends.graphs.terms import FILE

#: A length that is not fixed.
_ANY = -1
_CHANNELS = 3
_EDGES = 4

#: Left, top, right, bottom, score, label.
_ROW = 6


def check_input(wanted: ImageInput, spec: TensorSpec) -> None:
    """Refuses a description that makes inputs of another shape than the graph takes.

    Args:
        wanted: how images become the input.
        spec: of the graph's input; one that tells no shape is left to the trial.

    Raises:
        PreconditionError: the shapes differ; names both.
    """
    sides = (wanted.height or _ANY, wanted.width or _ANY)
    made = (_CHANNELS, *sides) if wanted.layout == "NCHW" else (*sides, _CHANNELS)
    taken = spec.shape[1:]
    if spec.shape and not _fits(made, taken):
        raise PreconditionError(
            f"{FILE} makes {wanted.layout} inputs of {_told(made)}; the graph's `{spec.name}` takes {_told(taken)}"
        )


def check_outputs(description: Description, row: Arrays) -> None:
    """Refuses a graph whose outputs have another shape than the decoder reads.

    Args:
        description: of the graph.
        row: what it gave for one image, by the decoder's names, without the batch's axis.

    Raises:
        PreconditionError: a shape differs, or the graph has not as many labels; names both.
    """
    match description.output:
        case LabelScores():
            _check_labels(description, row["logits"].size)
        case CenterPoints(points=points):
            heatmap = row["heatmap"].shape
            _check_shape("heatmap", heatmap, (_ANY, _ANY, _ANY))
            _check_labels(description, heatmap[0])
            for name in ("sizes", "offsets"):
                _check_shape(name, row[name].shape, (2, *heatmap[1:]))
            if points:
                _check_shape("landmarks", row["landmarks"].shape, (2 * len(points), *heatmap[1:]))
        case Keypoints(points=points):
            things = row["keypoints"].shape
            _check_shape("keypoints", things, (*(_ANY,) * max(len(things) - 2, 0), len(points), 3))
        case BoxRows():
            rows = row["boxes"].shape
            _check_shape("boxes", rows, (*(_ANY,) * max(len(rows) - 1, 1), _ROW))
        case DistributionBoxes(strides=strides):
            for at, stride in enumerate(strides):
                places = _places(description.input, stride)
                scores, distances = row[f"scores[{at}]"].shape, row[f"distances[{at}]"].shape
                _check_shape(f"scores[{at}]", scores, (places, _ANY))
                _check_labels(description, scores[1])
                _check_shape(f"distances[{at}]", distances, (places, _ANY))
                if distances[1] < 2 * _EDGES or distances[1] % _EDGES:
                    raise PreconditionError(
                        f"{FILE} has `output.distances[{at}]` of as many values, at least 2, for each of four edges; "
                        f"the graph gives {distances[1]:,}"
                    )
        case Pixels(layout=layout):
            sides = (
                (_CHANNELS, _ANY, _ANY) if (layout or description.input.layout) == "NCHW" else (_ANY, _ANY, _CHANNELS)
            )
            _check_shape("image", row["image"].shape, sides)
        case SalientMask():
            mask = row["mask"].shape
            colours_last = len(mask) > 2 and mask[-1] == 1 and mask[0] != 1
            _check_shape("mask", mask, (_ANY, _ANY, 1) if colours_last else (1, _ANY, _ANY)[-max(len(mask), 2) :])


def _places(given: ImageInput, stride: int) -> int:
    """Of a grid over what the graph sees."""
    assert given.height is not None  # as the description was checked
    assert given.width is not None
    return math.ceil(given.height / stride) * math.ceil(given.width / stride)


def _check_labels(description: Description, count: int) -> None:
    if count != len(description.labels):
        raise PreconditionError(f"{FILE} has {len(description.labels):,} labels; the graph gives values for {count:,}")


def _check_shape(name: str, given: Sequence[int], read: Sequence[int]) -> None:
    if not _fits(given, read):
        decoded = f"{FILE} has `output.{name}` of {_told(read)} for an image"
        raise PreconditionError(f"{decoded}; the graph gives {_told(given)}")


def _fits(made: Sequence[int], taken: Sequence[int]) -> bool:
    """Whether every length that is fixed where it goes to is made so."""
    return len(made) == len(taken) and all(to in (_ANY, of) for of, to in zip(made, taken, strict=True))


def _told(shape: Sequence[int]) -> str:
    return " × ".join("any" if length == _ANY else str(length) for length in shape) or "no axes"
