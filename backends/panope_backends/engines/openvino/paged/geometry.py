"""The cache of a paged graph: its tensors and what a block takes, read from the compiled graph.

A block always has 32 tokens. A tensor of keys may have more rows for it: keys in 8 bits have the scales of their
channels in rows of their own, 40 in all for 32 tokens, and values have their tokens' scales in columns. So the block's
size is never read from a shape; the rest is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from panope_backends.api import CacheSpec
from panope_backends.errors import PreconditionError

BLOCK_SIZE = 32
"""Tokens of one block, of OpenVINO's paged attention on processors."""

#: Panope's names of the cache's precisions, and OpenVINO's.
PRECISIONS: Mapping[str, str] = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "u8": "u8"}

#: By the precision that is computed in: those that OpenVINO takes for the cache, the one that loses nothing first.
CACHE_PRECISIONS: Mapping[str, tuple[str, ...]] = {
    precision: (precision, "u8") for precision in ("fp32", "bf16", "fp16")
}

_PREFIXES = ("key_cache.", "value_cache.")


@dataclass(frozen=True)
class CacheTensor:
    """One layer's keys or values.

    Attributes:
        name: of the graph's input.
        kind: OpenVINO's type of its numbers.
        block_shape: of one block.
        block_bytes: memory of one block.
    """

    name: str
    kind: Any
    block_shape: tuple[int, ...]
    block_bytes: int


def cache_tensors(compiled: Any) -> list[CacheTensor]:
    """The tensors of a compiled graph's cache.

    Raises:
        PreconditionError: their shapes are not those of blocks of `BLOCK_SIZE` tokens.
    """
    return [_tensor(port) for port in compiled.inputs if port.get_any_name().startswith(_PREFIXES)]


def cache_spec(tensors: list[CacheTensor], precision: str) -> CacheSpec:
    """What the scheduler needs to know of the cache."""
    return CacheSpec(BLOCK_SIZE, sum(tensor.block_bytes for tensor in tensors), precision)


def _tensor(port: Any) -> CacheTensor:
    name, kind, shape = port.get_any_name(), port.get_element_type(), port.get_partial_shape()
    if len(shape) != 4 or shape[0].is_static or any(size.is_dynamic for size in list(shape)[1:]):
        raise _unknown(name, shape)
    block = tuple(int(size.get_length()) for size in list(shape)[1:])
    if block[1] < BLOCK_SIZE:
        raise _unknown(name, shape)
    return CacheTensor(name, kind, block, math.prod(block) * kind.bitwidth // 8)


def _unknown(name: str, shape: Any) -> PreconditionError:
    return PreconditionError(
        f"this version of OpenVINO keeps `{name}` as {shape}, which Panope does not know", reason="load_failed"
    )
