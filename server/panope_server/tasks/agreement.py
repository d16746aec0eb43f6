"""How much two answers to one input are alike, 0 to 1: what tasks compare candidates with the reference by."""

from __future__ import annotations

import difflib
import io
import wave
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

T = TypeVar("T")

_FRAME_SECONDS = 0.02


def mean_of(parts: Iterable[float]) -> float:
    """The mean; 1 of nothing, for two answers of nothing are alike."""
    found = list(parts)
    return sum(found) / len(found) if found else 1.0


def of_each(agreement: Callable[[T, T], float], expected: Sequence[T], found: Sequence[T]) -> float:
    """The mean over items; 0 where there are more of one than of the other."""
    return mean_of(map(agreement, expected, found)) if len(expected) == len(found) else 0.0


def of_vectors(expected: ArrayLike, found: ArrayLike) -> float:
    """The mean cosine of rows, at least 0."""
    one, other = np.atleast_2d(np.asarray(expected, np.float64)), np.atleast_2d(np.asarray(found, np.float64))
    if one.shape != other.shape or not np.isfinite(other).all():
        return 0.0
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    cosines = np.where(lengths > 0, (one * other).sum(axis=1) / np.where(lengths > 0, lengths, 1), 1.0)
    return float(np.clip(cosines, 0, 1).mean())


def of_numbers(expected: ArrayLike, found: ArrayLike) -> float:
    """1 less the length of the difference, as a part of the longer of the two; at least 0."""
    one, other = np.asarray(expected, np.float64).ravel(), np.asarray(found, np.float64).ravel()
    if one.shape != other.shape or not np.isfinite(other).all():
        return 0.0
    longest = max(float(np.linalg.norm(one)), float(np.linalg.norm(other)))
    return max(0.0, 1 - float(np.linalg.norm(one - other)) / longest) if longest > 0 else 1.0


def of_scores(expected: Mapping[Any, float], found: Mapping[Any, float]) -> float:
    """As of numbers, of what has a name; what one of them does not tell of counts as 0 there."""
    names = [*dict.fromkeys([*expected, *found])]
    return of_numbers([expected.get(name, 0.0) for name in names], [found.get(name, 0.0) for name in names])


def of_sets(expected: Iterable[Hashable], found: Iterable[Hashable]) -> float:
    """F1: the part of both that the two have in common; 1 of two empty ones."""
    one, other = set(expected), set(found)
    return 2 * len(one & other) / (len(one) + len(other)) if one or other else 1.0


def of_texts(expected: str, found: str) -> float:
    """The part of both texts that is alike (Ratcliff and Obershelp)."""
    return difflib.SequenceMatcher(None, expected, found, autojunk=False).ratio()


def of_beginnings(expected: Sequence[object], found: Sequence[object]) -> float:
    """How far two sequences, such as tokens that follow from each other, are the same, as a part of the longer."""
    same = next((at for at, (one, other) in enumerate(zip(expected, found, strict=False)) if one != other), None)
    longest = max(len(expected), len(found))
    return 1.0 if not longest else (min(len(expected), len(found)) if same is None else same) / longest


def of_boxes(
    expected: Sequence[tuple[str, Sequence[float]]], found: Sequence[tuple[str, Sequence[float]]], overlap: float = 0.5
) -> float:
    """F1 of labelled boxes, each matched once with one of its label that overlaps it by so much (IoU)."""
    left, matched = list(found), 0
    for label, box in expected:
        best = max(left, key=lambda each: overlap_of(box, each[1]) if each[0] == label else -1.0, default=None)
        if best is not None and best[0] == label and overlap_of(box, best[1]) >= overlap:
            left.remove(best)
            matched += 1
    return 2 * matched / (len(expected) + len(found)) if expected or found else 1.0


def overlap_of(one: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union of two boxes: x and y of the upper left corner, then of the lower right."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return both / (sum(areas) - both)


def of_masks(expected: Sequence[int], found: Sequence[int]) -> float:
    """Intersection over union of two masks of one image, written as lengths of runs, outside first."""
    one, other = _mask(expected), _mask(found)
    if one.shape != other.shape:
        return 0.0
    either = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / either if either else 1.0


def of_sounds(expected: bytes, found: bytes) -> float:
    """How alike the loudness of two WAV files is over time: waves of equal speech may be shifted."""
    return of_numbers(*_same_length(_loudness(expected), _loudness(found)))


def of_files(expected: Sequence[bytes], found: Sequence[bytes]) -> float | None:
    """As of images, the mean; 0 where there are more of one than of the other."""
    if len(expected) != len(found):
        return 0.0
    alike = [of_images(one, other) for one, other in zip(expected, found, strict=True)]
    known = [each for each in alike if each is not None]
    return mean_of(known) if len(known) == len(alike) else None


def of_images(expected: bytes, found: bytes) -> float | None:
    """As of numbers, of pixels; None where Pillow is not installed."""
    try:
        from PIL import Image
    except ImportError:
        return None
    return of_numbers(*(np.asarray(Image.open(io.BytesIO(file)).convert("RGB")) for file in (expected, found)))


def _mask(runs: Sequence[int]) -> NDArray[np.bool_]:
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs)


def _loudness(file: bytes) -> NDArray[np.float64]:
    with wave.open(io.BytesIO(file)) as reader:
        samples = np.frombuffer(reader.readframes(reader.getnframes()), "<i2").astype(np.float64)
        frame = max(1, int(reader.getframerate() * _FRAME_SECONDS))
    whole = samples[: len(samples) // frame * frame].reshape(-1, frame)
    loudness: NDArray[np.float64] = np.sqrt((whole**2).mean(axis=1))
    return loudness


def _same_length(
    one: NDArray[np.float64], other: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    longest = max(len(one), len(other))
    return np.pad(one, (0, longest - len(one))), np.pad(other, (0, longest - len(other)))
