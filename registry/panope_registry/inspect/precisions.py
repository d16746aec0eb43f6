"""What the names of precisions tell, such as `fp32`, `bf16`, `int8`, `q4_k_m` and `iq2_xs`."""

from __future__ import annotations

import re

FULL_BITS = 16
"""With fewer bits a weight has lost something that matters, so such weights count as quantized."""

_BITS = re.compile(r"[a-z]+(\d+)")


def bits_of(precision: str) -> int:
    """Returns the bits of most weights; 0 when the name does not tell."""
    match = _BITS.match(precision.casefold())
    return int(match[1]) if match else 0


def is_quantized(precision: str) -> bool:
    """Returns whether weights of this precision are coarser than those that models are published in."""
    return 0 < bits_of(precision) < FULL_BITS
