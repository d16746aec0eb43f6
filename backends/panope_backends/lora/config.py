"""What adapter_config.json says. A field that would change what the adapter computes is honoured or refused by name."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from panope_backends.errors import InvalidInputError, PreconditionError

_Number = TypeVar("_Number", int, float)

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"

GGUF_WEIGHTS = "adapter_model.gguf"
"""An adapter in llama.cpp's format, which is one file."""

FOLDER = "adapter"
"""Where an adapter lies in the folder of the base model that it changes."""

MAX_RANK = 4096
MAX_NAMES = 100_000
"""Of target modules and patterns; all linear layers of a large model with experts."""

_HONOURED = frozenset(
    {"alpha_pattern", "base_model_name_or_path", "bias", "fan_in_fan_out", "init_lora_weights", "lora_alpha"}
    | {"modules_to_save", "peft_type", "r", "rank_pattern", "revision", "target_modules", "task_type", "use_dora"}
    | {"use_rslora"}
)

#: What training alone reads, and what says where tensors are, which their names say too.
_WITHOUT_EFFECT = frozenset(
    {"auto_mapping", "corda_config", "eva_config", "exclude_modules", "inference_mode", "layers_pattern"}
    | {"layers_to_transform", "loftq_config", "lora_dropout", "lora_ga_config", "megatron_core", "peft_version"}
    | {"qalora_group_size", "runtime_config"}
)

#: Ways to begin a training that leave the base's weights as they are; the others train against changed ones.
_PLAIN_BEGINNINGS = (None, "gaussian", "eva", "orthogonal")

_BIASES = ("none", "all", "lora_only")

#: A module's name, or its end; PEFT would take any regular expression.
_PATTERN = re.compile(r"\^?[A-Za-z0-9_.]{1,512}")


@dataclass(frozen=True)
class AdapterConfig:
    """An adapter's settings.

    Attributes:
        rank: of the modules that `rank_pattern` does not name.
        alpha: of those that `alpha_pattern` does not name.
        is_root_scaled: whether a module's scale is alpha / √rank (rsLoRA) in the place of alpha / rank.
        is_dora: whether columns keep a magnitude of their own (DoRA).
        bias: whose biases come with it: `none`, `all`, or those of adapted modules (`lora_only`).
        saved_modules: names, or their ends, of modules that it replaces as they are.
        targets: names, or their ends, of the modules that it adapts; empty for an expression.
        base: the model that was trained on, as its author called it; empty without one.
        base_revision: the branch, tag or commit of that model's repo; empty for its newest.
        task_type: in PEFT's words; empty without one.
    """

    rank: int
    alpha: float
    is_root_scaled: bool = False
    is_dora: bool = False
    bias: str = "none"
    saved_modules: frozenset[str] = frozenset()
    targets: frozenset[str] = frozenset()
    base: str = ""
    base_revision: str = ""
    task_type: str = ""
    rank_pattern: Mapping[str, int] = field(default_factory=dict)
    alpha_pattern: Mapping[str, float] = field(default_factory=dict)

    def rank_of(self, module: str) -> int:
        """Returns the rank of a module of that name."""
        return _of_pattern(self.rank_pattern, module, self.rank)

    def scale_of(self, module: str) -> float:
        """Returns what the product of a module's two matrices is multiplied by."""
        alpha, rank = _of_pattern(self.alpha_pattern, module, self.alpha), self.rank_of(module)
        return alpha / (math.sqrt(rank) if self.is_root_scaled else rank)


def read_config(document: Mapping[str, Any]) -> AdapterConfig:
    """Reads the parsed file.

    Raises:
        InvalidInputError: a field has a value that it cannot have.
        PreconditionError: a field asks for what is not applied here (`unsupported_adapter`); the message names it.
    """
    _refuse_unsupported(document)
    rank, alpha = document.get("r", 8), document.get("lora_alpha", 8)
    return AdapterConfig(
        rank=_rank(rank, "r"),
        alpha=_alpha(alpha, "lora_alpha"),
        is_root_scaled=_flag(document, "use_rslora"),
        is_dora=_flag(document, "use_dora"),
        bias=_bias(document.get("bias", "none")),
        saved_modules=_names(document, "modules_to_save"),
        targets=_targets(document),
        base=_text(document, "base_model_name_or_path"),
        base_revision=_text(document, "revision"),
        task_type=_text(document, "task_type"),
        rank_pattern={key: _rank(value, "rank_pattern") for key, value in _pattern(document, "rank_pattern")},
        alpha_pattern={key: _alpha(value, "alpha_pattern") for key, value in _pattern(document, "alpha_pattern")},
    )


def unsupported(problem: str) -> PreconditionError:
    """Returns the error for an adapter that is none of the kinds that are applied here."""
    return PreconditionError(
        f"{problem}; merge it into the base's weights and import the result", reason="unsupported_adapter"
    )


def broken(name: str, problem: str) -> InvalidInputError:
    """Returns the error for an adapter's file that is not what it should be."""
    return InvalidInputError(f"`{name}` is broken: {problem}", field="folder", reason="broken_file")


def _refuse_unsupported(document: Mapping[str, Any]) -> None:
    kind = document.get("peft_type")
    if kind != "LORA":
        raise unsupported(f"`{CONFIG}` has `peft_type` {_shown(kind)}, and `LORA` alone is applied")
    for key, value in document.items():
        if value and key not in _HONOURED and key not in _WITHOUT_EFFECT:
            raise unsupported(f"`{CONFIG}` sets `{key[:64]!a}`, which is not applied")
    beginning = document.get("init_lora_weights", True)
    if not isinstance(beginning, bool) and beginning not in _PLAIN_BEGINNINGS:
        raise unsupported(
            f"`{CONFIG}` has `init_lora_weights` {_shown(beginning)}, which was trained against changed weights"
        )


def _rank(value: Any, key: str) -> int:
    if type(value) is not int or not 1 <= value <= MAX_RANK:
        raise broken(CONFIG, f"`{key}` must be a whole number from 1 to {MAX_RANK:,}")
    return value


def _alpha(value: Any, key: str) -> float:
    if type(value) not in (int, float) or not abs(value) <= 1e9:  # NaN is no number either
        raise broken(CONFIG, f"`{key}` must be a number of at most a thousand million")
    return float(value)


def _flag(document: Mapping[str, Any], key: str) -> bool:
    value = document.get(key) or False
    if type(value) is not bool:
        raise broken(CONFIG, f"`{key}` must be true or false")
    return value


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key) or ""
    if not isinstance(value, str):
        raise broken(CONFIG, f"`{key}` must be a text")
    return value


def _bias(value: Any) -> str:
    if value not in _BIASES:
        raise broken(CONFIG, f"`bias` must be one of {', '.join(_BIASES)}")
    return str(value)


def _names(document: Mapping[str, Any], key: str) -> frozenset[str]:
    value = document.get(key) or ()
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) and name for name in value):
        raise broken(CONFIG, f"`{key}` must be a list of names")
    if len(value) > MAX_NAMES:
        raise broken(CONFIG, f"`{key}` has {len(value):,} names; the limit is {MAX_NAMES:,}")
    return frozenset(value)


def _targets(document: Mapping[str, Any]) -> frozenset[str]:
    """An expression is not run: it may take for ever, and the tensors tell what it found."""
    return frozenset() if isinstance(document.get("target_modules"), str) else _names(document, "target_modules")


def _pattern(document: Mapping[str, Any], key: str) -> Sequence[tuple[str, Any]]:
    value = document.get(key) or {}
    if not isinstance(value, Mapping) or len(value) > MAX_NAMES:
        raise broken(CONFIG, f"`{key}` must be an object of at most {MAX_NAMES:,} names")
    for pattern in value:
        if not _PATTERN.fullmatch(pattern):
            raise unsupported(
                f"`{CONFIG}` has in `{key}` the expression {_shown(pattern)}; modules' names are read alone"
            )
    return list(value.items())


def _of_pattern(pattern: Mapping[str, _Number], module: str, default: _Number) -> _Number:
    """Returns the value of the first pattern that names the module."""
    naming = [name for name in (f"^{module}", *ends(module)) if name in pattern] if pattern else []
    if len(naming) > 1:
        naming = [next(name for name in pattern if name in naming)]
    return pattern[naming[0]] if naming else default


def ends(name: str) -> Iterator[str]:
    """Yields a module's name, then each end of it: `a.b.c`, `b.c`, `c`."""
    yield name
    while "." in name:
        name = name.partition(".")[2]
        yield name


def _shown(value: Any) -> str:
    return ascii(value)[:80]
