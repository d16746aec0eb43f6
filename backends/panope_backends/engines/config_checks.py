"""Configurations that cannot be those of the weights beside them, found before anything is built from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from panope_backends.errors import PreconditionError
from panope_backends.model_facts.config_sizes import check_sizes

#: Deeper models than there are; up to it nothing is counted, for layers may share their weights.
_USUAL_LAYERS = 1000

#: A tensor takes at least so many bytes of a file: its name, its place, and a number.
_TENSOR_BYTES = 64

_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")


def check_built(config: Mapping[str, Any], folder: Path) -> None:
    """Refuses more layers, or wider ones, than the files can hold: building them takes hours, or memory without end.

    Args:
        config: the parsed config.json.
        folder: that holds the weights.

    Raises:
        PreconditionError: names the key and both numbers.
    """
    size = sum(path.stat().st_size for pattern in _WEIGHTS for path in folder.glob(pattern))
    check_sizes(config, size, f"their files have {size:,} bytes")
    for key, layers in _layers(config):
        if layers > max(_USUAL_LAYERS, size // _TENSOR_BYTES):
            raise PreconditionError(
                f"config.json has {layers:,} as `{key}`; weights of {size:,} bytes are not of so many",
                reason="unsupported_model",
            )


def _layers(config: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _layers(value)
        elif ("layer" in key or "block" in key or key == "depth") and isinstance(value, int) and value > _USUAL_LAYERS:
            yield key, value
