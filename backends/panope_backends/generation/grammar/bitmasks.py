"""Sets of allowed tokens as bits: 32 tokens a word, the lowest bit first, as grammar engines fill them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_BITS = 32

# For each byte, what is added to the logits of its eight tokens. One look-up a byte costs a tenth of a test a token.
_BITS_OF_BYTES = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
_ADDED = np.where(_BITS_OF_BYTES, 0, -np.inf).astype(np.float32)


def empty_masks(rows: int, vocab_size: int) -> Array:
    """int32 `[rows, words]`: nothing is allowed."""
    return np.zeros((rows, -(-vocab_size // _BITS)), np.int32)


def mask_of(token_ids: Iterable[int], vocab_size: int) -> Array:
    """int32 `[words]`: these tokens alone are allowed."""
    bits = np.zeros(empty_masks(1, vocab_size).size * _BITS, np.uint8)
    bits[list(token_ids)] = 1
    mask: Array = np.packbits(bits, bitorder="little").view(np.int32)
    return mask


def restrict(logits: Array, mask: Array) -> None:
    """Takes all chance from the tokens whose bits are 0, and from those that the mask has no bits for."""
    added = _ADDED.take(mask.view(np.uint8), axis=0).reshape(-1)[: logits.size]
    logits[: added.size] += added
    logits[added.size :] = -np.inf
