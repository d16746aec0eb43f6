"""Proves that a converted model still computes what the original does: both run on seeded texts of several shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from panope_backends.errors import PreconditionError

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]

Run = Callable[[Arrays], Array]
"""A model: token ids and masks in; batch × tokens × values out, or batch × values."""

#: Up to this length both are compared, or up to the model's own if that is less. Attention windows in use (128 in
#: ModernBERT, 512 in Longformer and Gemma 3) change what is computed only past their size.
LONGEST = 1100

#: Largest difference in float32, relative to the largest value. Seen: below 1e-6, MiniLM 1e-5.
TOLERANCE = 1e-3

#: The names that texts can be made for.
NAMES = ("input_ids", "attention_mask", "token_type_ids")

#: Batch and length for tracing; no other shape that is compared has either.
TRACED = (2, 7)


def example(names: Sequence[str], vocabulary: int, batch: int, length: int) -> Arrays:
    """Seeded token ids: a full text, then one padded on the right, then one padded on the left."""
    ids = np.random.default_rng(0).integers(0, vocabulary, (batch, length), dtype=np.int64)
    mask = np.ones_like(ids)
    mask[1:2, -3:] = 0
    mask[2:3, :3] = 0
    arrays = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    return {name: arrays[name] for name in names}


def prove_same(original: Run, made: Run, names: Sequence[str], vocabulary: int, positions: int) -> None:
    """Refuses what differs; a number or a branch that tracing froze shows here.

    Args:
        original: the model.
        made: the conversion's result.
        names: of the inputs, some of `NAMES`.
        vocabulary: how many token ids there are.
        positions: how many tokens a text may have; 0 when unknown.

    Raises:
        PreconditionError: results differ by more than rounding, or are no numbers.
    """
    difference = float(np.max([_difference(*pair) for pair in _answers(original, made, names, vocabulary, positions)]))
    if not difference <= TOLERANCE:  # NaN fails too
        raise PreconditionError(
            f"the converted model's results differ by {difference:.1e} from the original's", reason="conversion_failed"
        )


def prove_alike(
    original: Run, made: Run, names: Sequence[str], vocabulary: int, positions: int, *, at_least: float
) -> None:
    """Refuses what smaller weights made into another model.

    Args:
        original: the model.
        made: the conversion's result.
        names: of the inputs, some of `NAMES`.
        vocabulary: how many token ids there are.
        positions: how many tokens a text may have; 0 when unknown.
        at_least: the cosine of the two results that each batch must reach.

    Raises:
        PreconditionError: one does not, or holds what is no number.
    """
    cosine = float(np.min([_cosine(*pair) for pair in _answers(original, made, names, vocabulary, positions)]))
    if not cosine >= at_least:  # NaN fails too
        raise PreconditionError(
            f"the smaller weights' results have a cosine of {cosine:.3f} to the original's; {at_least} is the least",
            reason="conversion_failed",
        )


def _answers(
    original: Run, made: Run, names: Sequence[str], vocabulary: int, positions: int
) -> Iterator[tuple[Array, Array]]:
    """Both models' values, of tokens for the real ones: what lies in padding means nothing."""
    # RoBERTa's kin count positions from past the padding token's id.
    longest = max(1, min(LONGEST, (positions or 64) - 8))
    for batch, length in ((3, min(19, longest)), (1, longest)):
        arrays = example(names, vocabulary, batch, length)
        expected, found = original(arrays), made(arrays)
        if found.shape != expected.shape:
            raise PreconditionError("the converted model's results are of another shape", reason="conversion_failed")
        if expected.ndim < 3:
            yield expected, found
            continue
        real = arrays["attention_mask"].astype(bool) if "attention_mask" in arrays else np.ones((batch, length), bool)
        yield expected[real], found[real]


def _difference(expected: Array, found: Array) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def _cosine(expected: Array, found: Array) -> float:
    one, other = expected.ravel().astype(np.float64), found.ravel().astype(np.float64)
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))
