"""Masks of segments as callers get them: PNG files, or the lengths of runs."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from panope.worker.v1 import segment_pb2 as messages
from panope_backends.errors import InvalidInputError
from panope_backends.tasks.segment.decoding import NOTHING, SegmentMap

#: Of the masks of one image: a request has eight, and its answer goes in one frame.
MAX_MASK_BYTES = 16 << 20

#: Of the masks of one image, as PNG files: what a second of work comes to, about.
MAX_MASK_PIXELS = 1 << 28

#: What a run counts: more than its bytes, for the server has it as a number of Python's.
_RUN_BYTES = 16


@dataclass(frozen=True, slots=True)
class MaskOptions:
    """What callers want of masks.

    Attributes:
        most: how many segments to tell.
        run_lengths: whether masks are lengths of runs, not PNG files.
    """

    most: int
    run_lengths: bool


def segments_message(found: SegmentMap, names: tuple[str, ...], options: MaskOptions, field: str) -> messages.Segments:
    """The segments of an image, the highest score first; without scores the largest area.

    Args:
        found: as the model says.
        names: of the labels, by their ids.
        options: of the caller.
        field: of the request that holds the image.

    Raises:
        InvalidInputError: the masks are too large together.
    """
    height, width = found.pixels.shape
    areas = np.bincount(found.pixels[found.pixels != NOTHING], minlength=len(found.labels))
    order = np.argsort(-(areas if found.scores is None else found.scores), kind="stable")
    told = [int(at) for at in order if areas[at]][: options.most]
    if not options.run_lengths and len(told) * height * width > MAX_MASK_PIXELS:
        raise _too_large(field, f"{len(told) * height * width:,} pixels", f"{MAX_MASK_PIXELS:,}")
    boxes = _boxes(found.pixels, len(found.labels))
    message = messages.Segments(width=width, height=height)
    size = 0
    for at in told:
        mask = found.pixels == at
        each = message.segments.add(label=names[found.labels[at]], area=int(areas[at]), corners=boxes[at])
        if found.scores is not None:
            each.score = found.scores[at]
        if options.run_lengths:
            each.runs.extend(runs_of(mask).tolist())
        else:
            each.png = png_of(mask)
        size += len(each.png) + len(each.runs) * _RUN_BYTES
        if size > MAX_MASK_BYTES:
            raise _too_large(field, f"over {MAX_MASK_BYTES:,} bytes", f"{MAX_MASK_BYTES:,}")
    return message


def png_of(mask: NDArray[np.bool_]) -> bytes:
    """A PNG file of 8 bits, 255 inside: what transformers' pipeline and the Inference API give."""
    file = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(file, "PNG", compress_level=3)
    return file.getvalue()


def runs_of(mask: NDArray[np.bool_]) -> NDArray[Any]:
    """Pixels in turn outside and inside, column by column, outside first: COCO's uncompressed RLE."""
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(changes, prepend=0, append=len(flat))
    return np.concatenate([[0], lengths]) if flat[0] else lengths


def _boxes(pixels: NDArray[np.uint16], count: int) -> list[tuple[int, int, int, int]]:
    """The smallest rectangle of each segment: left, top, right, bottom; the last two are behind its last pixel."""
    height, width = pixels.shape
    low, high = np.full((count, 2), max(height, width)), np.full((count, 2), -1)
    for row, present in _present(pixels):
        low[present, 1], high[present, 1] = np.minimum(low[present, 1], row), row
    for column, present in _present(pixels.T):
        low[present, 0], high[present, 0] = np.minimum(low[present, 0], column), column
    return [(int(a[0]), int(a[1]), int(b[0]) + 1, int(b[1]) + 1) for a, b in zip(low, high, strict=True)]


def _present(lines: NDArray[np.uint16]) -> Iterator[tuple[int, NDArray[Any]]]:
    """The segments of each line."""
    for at, line in enumerate(lines):
        found = np.unique(line)
        yield at, found[found != NOTHING]


def _too_large(field: str, size: str, limit: str) -> InvalidInputError:
    return InvalidInputError.at(
        "max_segments",
        "the masks of `{image}` have {size} together; the limit is {limit}: ask for fewer by {field}, or for lengths of"
        " runs",
        image=field,
        size=size,
        limit=limit,
    )
