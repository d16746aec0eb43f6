"""Sizes in a model's configuration that cannot be those of its weights, told before anything is built by them.

transformers builds what config.json says and compares it with the weights afterwards. A table of 2**40 rows takes all
the memory there is, or a minute, and the refusal that comes of it names no key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from panope_backends.errors import PreconditionError

#: Wider than models are, whose weights need not be looked at: the largest vocabulary in use has 901,629 tokens.
_USUAL = 1 << 20

#: Keys of what a tensor is as long as along one of its axes. Lengths of texts are none: positions may be computed.
_WIDTHS = re.compile(r"(^|_)(dims?|width|widths|channels|heads|experts|hidden_sizes?|d_model|d_ff|n_embd|ffn_dim)$")
_TABLES = frozenset(
    {"vocab_size", "type_vocab_size", "intermediate_size", "embedding_size", "patch_size", "image_size"}
)

#: What is divided by, or multiplied with, so that nothing comes of 0.
_NEVER_ZERO = frozenset({"patch_size", "image_size", "hidden_size", "num_attention_heads", "num_channels"})

#: Characters of a key that messages tell.
_SHOWN = 60

_REASON = "unsupported_model"

#: Deeper than any configuration is nested.
_MOST_DEPTH = 8


def check_sizes(config: Mapping[str, Any], most: int, weights: str, *, file: str = "config.json") -> None:
    """Refuses sizes beyond any model's that the weights do not have, and those of which no model can be.

    Args:
        config: the parsed file.
        most: that the weights could have along an axis.
        weights: what is said of them, such as `their longest axis has 384 values`.
        file: its name, for messages.

    Raises:
        PreconditionError: names the file and the key.
    """
    for path, key, value in _numbers(config):
        if value <= 0 and key in _NEVER_ZERO:
            raise PreconditionError(f"{file} has {value:,} as `{path}`, which must be 1 or more", reason=_REASON)
        if value > max(most, _USUAL):
            raise PreconditionError(
                f"{file} has {value:,} as `{path}`, which the weights are not of: {weights}", reason=_REASON
            )


def _numbers(config: Mapping[str, Any], inside: str = "", depth: int = 0) -> Iterator[tuple[str, str, int]]:
    """Each whole number under a key that tells a size: its path, its key, and itself."""
    for key, value in config.items():
        path = f"{inside}{key[:_SHOWN]}"
        if isinstance(value, Mapping):
            if depth < _MOST_DEPTH:
                yield from _numbers(value, f"{path}.", depth + 1)
        elif key in _TABLES or _WIDTHS.search(key):
            for each in value if isinstance(value, list) else [value]:
                if type(each) is int:
                    yield path, key, each
