"""Deals calls by their parts: which target a user or a call gets is a hash, and no state."""

from __future__ import annotations

import math
from collections.abc import Mapping
from hashlib import blake2b

_BITS = 64


def split_order(parts: Mapping[str, float], seed: int, alias: str, unit: str) -> list[str]:
    """All targets in the order in which a unit gets them: the first, and if that cannot be the next.

    Weighted rendezvous hashing (Thaler and Ravishankar 1998; the logarithm of Schindelhauer and Schomaker 2005): a
    target is first for just its part of the units, and when parts change, or a target goes, only those units move whose
    target has lost.

    Args:
        parts: of each target; above 0, in relation to those of the others.
        seed: another one splits otherwise.
        alias: whose calls are split; two aliases split independently.
        unit: a user or a call.
    """
    scores = {target: -math.log(_uniform(seed, alias, target, unit)) / part for target, part in parts.items()}
    return sorted(parts, key=lambda target: (scores[target], target))


def _uniform(seed: int, alias: str, target: str, unit: str) -> float:
    """A number above 0 and below 1, always the same of the same words."""
    words = "\0".join((str(seed), alias, target, unit)).encode(errors="surrogatepass")
    number = int.from_bytes(blake2b(words, digest_size=_BITS // 8).digest())
    return (number + 0.5) / float(1 << _BITS)
