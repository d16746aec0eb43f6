"""What a model's generation_config.json says: how its authors sample, and which tokens end an answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from panope_backends.tasks.json_files import read_json

_FILE = "generation_config.json"

#: Fields of the file -> fields of a request, which have the same names but for one.
_FIELDS = {
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "repetition_penalty": "repetition_penalty",
    "max_new_tokens": "max_tokens",
}
_WHOLE = frozenset({"top_k", "max_tokens"})


@dataclass(frozen=True)
class GenerationDefaults:
    """The defaults of one model.

    Attributes:
        values: by the names of a request's fields.
        eos_token_ids: tokens that end an answer.
    """

    values: Mapping[str, float | int] = field(default_factory=dict)
    eos_token_ids: tuple[int, ...] = ()

    def honoured_by(self, names: frozenset[str]) -> GenerationDefaults:
        """Those that an engine honours; a default that nothing would come of is none."""
        values = {name: value for name, value in self.values.items() if name in names or name == "max_tokens"}
        return GenerationDefaults(values, self.eos_token_ids)


def read_defaults(folder: Path, config: Mapping[str, Any]) -> GenerationDefaults:
    """Reads the file; what it leaves out, config.json may say.

    Args:
        folder: of the model.
        config: its config.json.

    Raises:
        PreconditionError: the file is no JSON object.
    """
    found = read_json(folder / _FILE, missing_ok=True)
    values = {name: value for key, name in _FIELDS.items() if (value := _number(found.get(key), name)) is not None}
    text_config = config.get("text_config")
    parts = (found, config, text_config if isinstance(text_config, Mapping) else {})
    eos = next((ids for part in parts if (ids := _ids(part.get("eos_token_id")))), ())
    return GenerationDefaults(values, eos)


def _number(value: object, name: str) -> float | int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    if name in _WHOLE:
        return int(value) if value == int(value) and value >= (1 if name == "max_tokens" else 0) else None
    if name == "top_p":
        return float(value) if 0 < value <= 1 else None
    if name == "min_p":
        return float(value) if 0 <= value <= 1 else None
    return float(value) if value > 0 or (value == 0 and name == "temperature") else None


def _ids(value: object) -> tuple[int, ...]:
    """One id or several, as files write them."""
    ids = value if isinstance(value, list) else [value]
    return tuple(each for each in ids if isinstance(each, int) and not isinstance(each, bool) and each >= 0)
