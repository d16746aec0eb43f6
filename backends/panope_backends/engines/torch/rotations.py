"""What configurations say of rotary positions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

#: Kinds that change with the longest text of a batch, past the positions of their training.
GROWING = frozenset({"dynamic", "longrope", "su"})


def growing_rotations(config: Any) -> list[int]:
    """Where each growing kind of a model begins to change: tokens, 0 where the configuration does not tell.

    Args:
        config: the configuration as transformers has it.
    """
    return [
        whole(parameters.get("original_max_position_embeddings"))
        for parameters in _rotations(getattr(config, "rope_parameters", None))
        if parameters.get("rope_type") in GROWING
    ]


def whole(value: Any) -> int:
    """A number of tokens; 0 for what is none."""
    return value if type(value) is int and value > 0 else 0


def _rotations(parameters: Any) -> Iterator[Mapping[str, Any]]:
    """The settings of rotary positions: one for all layers, or one for each kind of them."""
    if not isinstance(parameters, Mapping):
        return
    if "rope_type" in parameters:
        yield parameters
        return
    for each in parameters.values():
        yield from _rotations(each)
