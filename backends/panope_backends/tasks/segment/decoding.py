"""What models that segment say, as a map of segments: the post-processing of transformers' processors, in NumPy.

Sources: `post_process_semantic_segmentation`, `…_instance_…` and `…_panoptic_…` of transformers 5. Models say it in two
ways: a value for each label at each place (SegFormer, BEiT, DPT, UperNet …), or masks, each with a value for every
label and one for none (MaskFormer, Mask2Former, DETR). Of instances that overlap, the library leaves open which one is
seen; here it is the one of the higher score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.tasks.classify.functions import scores_of
from panope_backends.tasks.segment.resizing import Floats, bilinear, bilinear_strips, nearest

NOTHING = np.uint16(0xFFFF)
"""The pixels of a map that belong to no segment."""

_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class SegmentMap:
    """The segments of one image.

    Attributes:
        pixels: height × width, uint16: the position of each pixel's segment, or `NOTHING`.
        labels: of each segment, by their ids.
        scores: of each segment; None where the model gives none.
    """

    pixels: NDArray[np.uint16]
    labels: NDArray[Any]
    scores: Floats | None


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What belongs to a segment, and which segments are told, as transformers' pipeline has it."""

    score: float = 0.9
    mask: float = 0.5
    overlap: float = 0.5


@dataclass(frozen=True, slots=True)
class MaskQueries:
    """Masks of one image, each with what it may show.

    Attributes:
        classes: masks × (labels + 1): the scores of the labels and, last, of none; each mask's sum up to 1.
        masks: rows × columns × masks: the model's own values.
    """

    classes: Floats
    masks: Floats

    @classmethod
    def of(cls, logits: Floats, masks: Floats, side: int) -> MaskQueries:
        """From a model's values.

        Args:
            logits: masks × (labels + 1).
            masks: masks × rows × columns.
            side: that masks are brought to first; 0 for none.
        """
        turned = np.ascontiguousarray(masks.transpose(1, 2, 0))
        return cls(scores_of(logits, "softmax"), bilinear(turned, side, side) if side else turned)


def semantic_map(values: Floats, height: int, width: int) -> SegmentMap:
    """A segment for each label that is the highest anywhere.

    Args:
        values: rows × columns × labels.
        height: of the image.
        width: of the image.
    """
    best = np.empty((height, width), np.uint16)
    for rows, strip in bilinear_strips(values, height, width):
        best[rows] = strip.argmax(axis=2)
    labels, positions = np.unique(best, return_inverse=True)
    return SegmentMap(positions.reshape(best.shape).astype(np.uint16), labels, None)


def semantic_queries(found: MaskQueries, height: int, width: int) -> SegmentMap:
    """As `semantic_map`, of masks."""
    return semantic_map(_sigmoid(found.masks) @ found.classes[:, :-1], height, width)


def panoptic_map(found: MaskQueries, height: int, width: int, thresholds: Thresholds) -> SegmentMap:
    """A segment for each mask that wins somewhere, and is seen for the most part."""
    best, labels = found.classes.max(axis=1), found.classes.argmax(axis=1)
    kept = np.flatnonzero((labels != found.classes.shape[1] - 1) & (best > thresholds.score))
    pixels = np.full((height, width), NOTHING, np.uint16)
    if not len(kept):
        return SegmentMap(pixels, labels[kept], best[kept])
    whole, seen = np.zeros(len(kept), np.int64), np.zeros(len(kept), np.int64)
    for rows, strip in bilinear_strips(_sigmoid(found.masks[:, :, kept]), height, width):
        strip *= best[kept]
        winners = strip.argmax(axis=2)
        pixels[rows] = winners
        seen += np.bincount(winners.ravel(), minlength=len(kept))
        whole += (strip >= thresholds.mask).sum(axis=(0, 1))
    told = np.flatnonzero((seen > 0) & (whole > 0) & (seen / np.maximum(whole, 1) > thresholds.overlap))
    return SegmentMap(_renumbered(pixels, told, len(kept)), labels[kept[told]], best[kept[told]].round(_DECIMALS))


def instance_map(found: MaskQueries, height: int, width: int, threshold: float) -> SegmentMap:
    """A segment for each of the best pairs of a mask and a label; the higher score lies over the lower."""
    classes = found.classes[:, :-1]
    order = np.argsort(-classes, axis=None, kind="stable")[: len(classes)]
    tried = [(*divmod(int(at), classes.shape[1]), float(classes.flat[at])) for at in order]
    shown: list[tuple[float, int, NDArray[Any]]] = []
    for mask, label, score in tried:
        if score < threshold:  # that of the mask only lowers it
            break
        values = found.masks[:, :, mask]
        inside = values > 0
        score *= float(_sigmoid(values[inside]).sum() / (inside.sum() + 1e-6))
        resized = nearest(inside, height, width)
        if score >= threshold and resized.any():
            shown.append((round(score, _DECIMALS), label, resized))
    shown.sort(key=lambda each: each[0])
    pixels = np.full((height, width), NOTHING, np.uint16)
    for position, (_, _, inside) in enumerate(shown):
        pixels[inside] = position
    labels, scores = [label for _, label, _ in shown], [score for score, _, _ in shown]
    return SegmentMap(pixels, np.array(labels, np.int64), np.array(scores, np.float32))


def _renumbered(pixels: NDArray[np.uint16], told: NDArray[Any], count: int) -> NDArray[np.uint16]:
    """With the positions among those that are told in the place of those among all."""
    new = np.full(count, NOTHING, np.uint16)
    new[told] = np.arange(len(told))
    return new[pixels]


def _sigmoid(values: Floats) -> Floats:
    return scores_of(values, "sigmoid")
