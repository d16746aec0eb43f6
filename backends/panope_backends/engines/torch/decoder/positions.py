"""How many positions of a decoder can be used, which its modules tell where its configuration does not."""

from __future__ import annotations

from typing import Any

import torch

from panope_backends.engines.torch.decoder.facts import max_positions


def usable_positions(module: Any) -> int:
    """The most tokens of one sequence; 0 where nothing tells.

    RoBERTa and its kin have vectors of positions that begin behind that of padding, so the first ones are never used.
    """
    limit = max_positions(module.config)
    return max(0, limit - _unused(module)) if limit else 0


def _unused(module: Any) -> int:
    tables = (
        each.padding_idx + 1
        for name, each in module.named_modules()
        if isinstance(each, torch.nn.Embedding) and "position" in name and each.padding_idx is not None
    )
    return max(tables, default=0)
