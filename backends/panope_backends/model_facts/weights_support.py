"""Whether weights can be run by a class of transformers: told from config.json, at import and at load."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Where libraries write how they packed weights; MLX's own comes last, as it writes both.
_KEYS = ("quantization_config", "quantization")

#: Model types with a decoder whose encoder transformers runs by itself, as sentence-transformers has it.
ENCODERS = frozenset({"t5", "mt5", "umt5"})

_WAY_OUT = "import the model's original weights, which `panope build` makes smaller"


def packing_of(config: Mapping[str, Any]) -> str:
    """Why weights that config.json describes cannot be run as they are; empty when they are plain."""
    key = next((key for key in _KEYS if config.get(key)), "")
    if not key:
        return ""
    return f"config.json says in `{key}` that its weights are packed by {_packer(config)}, which is not run; {_WAY_OUT}"


def _packer(config: Mapping[str, Any]) -> str:
    """The library or the format, as far as the file names it."""
    found = config.get("quantization_config")
    described = found if isinstance(found, Mapping) else {}
    method = described.get("quant_method")
    if isinstance(method, str) and method:
        return f"`{method[:40]}`"
    if any(described.get(key) for key in ("load_in_4bit", "load_in_8bit", "_load_in_4bit", "_load_in_8bit")):
        return "`bitsandbytes`"
    if isinstance(config.get("quantization"), Mapping):
        return "MLX"
    return "a library that it does not name"


def decoder_of(config: Mapping[str, Any]) -> str:
    """Why a model with a decoder cannot embed; empty when it can, or has none."""
    if not config.get("is_encoder_decoder") or config.get("model_type") in ENCODERS:
        return ""
    return (
        f"encoder-decoder models need a decoder's inputs; the encoders of {', '.join(sorted(ENCODERS))} are run alone"
    )
