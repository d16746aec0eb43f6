"""Which way a model says what it segments, told from its configuration and its outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from panope_backends.api import Arrays
from panope_backends.errors import PreconditionError
from panope_backends.tasks.json_files import shown
from panope_backends.tasks.segment.decoding import (
    MaskQueries,
    SegmentMap,
    Thresholds,
    instance_map,
    panoptic_map,
    semantic_map,
    semantic_queries,
)

SEMANTIC, INSTANCE, PANOPTIC = "semantic", "instance", "panoptic"

_DEFAULTS = Thresholds()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller wants of a model.

    Attributes:
        subtask: `semantic`, `instance` or `panoptic`.
        threshold: scores that are told are higher.
        mask_threshold: from which probability on a pixel belongs to a mask.
        overlap_mask_area_threshold: how much of a mask no other may cover.
    """

    THRESHOLDS: ClassVar[tuple[str, ...]] = ("threshold", "mask_threshold", "overlap_mask_area_threshold")

    subtask: str
    threshold: float = _DEFAULTS.score
    mask_threshold: float = _DEFAULTS.mask
    overlap_mask_area_threshold: float = _DEFAULTS.overlap


class SegmentDecoder(ABC):
    """Makes segments of what a model gives for an image.

    Attributes:
        outputs: of the model that it reads.
        subtasks: that it does, the usual one first.
    """

    outputs: Sequence[str]
    subtasks: Sequence[str]

    @abstractmethod
    def thresholds(self, subtask: str) -> Sequence[str]:
        """Those of `Asked.THRESHOLDS` that change its segments."""

    @abstractmethod
    def decoded(self, row: Arrays, height: int, width: int, asked: Asked) -> SegmentMap:
        """The segments of an image of a size."""


class LabelMaps(SegmentDecoder):
    """Of models that give a value for each label at each place, such as SegFormer, BEiT, DPT and UperNet."""

    outputs = ("logits",)
    subtasks = (SEMANTIC,)

    def thresholds(self, subtask: str) -> Sequence[str]:
        """None."""
        del subtask
        return ()

    def decoded(self, row: Arrays, height: int, width: int, asked: Asked) -> SegmentMap:
        """The highest label of each pixel."""
        del asked
        values = np.ascontiguousarray(row["logits"].transpose(1, 2, 0))
        return semantic_map(values, height, width)


@dataclass(frozen=True)
class QueryMasks(SegmentDecoder):
    """Of models that give masks, and for each what it shows.

    Attributes:
        outputs: the values of labels, and the masks.
        side: that masks are brought to first; 0 for none.
        pairs: whether instances are the best pairs of a mask and a label; otherwise they are the panoptic segments.
    """

    outputs: Sequence[str]
    side: int
    pairs: bool
    subtasks = (PANOPTIC, INSTANCE, SEMANTIC)

    def thresholds(self, subtask: str) -> Sequence[str]:
        """None of semantic segments, and one of pairs."""
        if subtask == SEMANTIC:
            return ()
        return Asked.THRESHOLDS[:1] if subtask == INSTANCE and self.pairs else Asked.THRESHOLDS

    def decoded(self, row: Arrays, height: int, width: int, asked: Asked) -> SegmentMap:
        """As the subtask has it."""
        logits, masks = (row[name] for name in self.outputs)
        found = MaskQueries.of(logits, masks, self.side)
        if asked.subtask == SEMANTIC:
            return semantic_queries(found, height, width)
        if asked.subtask == INSTANCE and self.pairs:
            return instance_map(found, height, width, asked.threshold)
        thresholds = Thresholds(asked.threshold, asked.mask_threshold, asked.overlap_mask_area_threshold)
        return panoptic_map(found, height, width, thresholds)


_QUERIES = ("class_queries_logits", "masks_queries_logits")

#: By `model_type`; those whose processors cut images into parts, or that take texts too, are not here.
_MASKS: Mapping[str, SegmentDecoder] = {
    "maskformer": QueryMasks(_QUERIES, side=0, pairs=True),
    "mask2former": QueryMasks(_QUERIES, side=384, pairs=True),
    "detr": QueryMasks(("logits", "pred_masks"), side=0, pairs=False),
}


def decoder_for(config: Mapping[str, Any], outputs: Sequence[str]) -> SegmentDecoder:
    """The decoder for a model.

    Args:
        config: its config.json.
        outputs: the names of those that it gives.

    Raises:
        PreconditionError: nothing is known of the masks of its kind.
    """
    kind = str(config.get("model_type"))
    if kind in _MASKS:
        return _MASKS[kind]
    if list(outputs) == ["logits"]:
        return LabelMaps()
    raise PreconditionError(f"how the masks of `{shown(kind)}` become segments is not known here")
