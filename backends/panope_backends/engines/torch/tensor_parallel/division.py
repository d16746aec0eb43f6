"""Into how many parts a model may be divided, from facts alone."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from panope_backends.api import ModelFacts
from panope_backends.engines.paging import paging_refusal
from panope_backends.engines.torch.decoder.facts import has_vision, rerun_reason
from panope_backends.engines.torch.rotations import whole

#: What config.json says of a model whose layers choose among experts.
_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")

#: Rows of an expert that lie together in each part: PyTorch's grouped products read 16 bytes at a time.
_EXPERT_ROWS = 8

_PLAN = "base_model_tp_plan = {"
_PLAN_OF_EXPERTS = '"moe_tp_experts"'


class Division(NamedTuple):
    """How a model may be divided.

    Attributes:
        divisor: the number that the number of parts must divide; 1 where it is not divided.
        reason: why it is not; empty where it is.
    """

    divisor: int
    reason: str = ""


def division_of(model: ModelFacts) -> Division:
    """How a decoder may be divided over devices that compute alike."""
    if reason := _undivided(model):
        return Division(1, reason)
    config = model.config
    heads = whole(config.get("num_attention_heads", 0))
    kv_heads = whole(config.get("num_key_value_heads", 0)) or heads
    divisor = math.gcd(heads, kv_heads)
    if divisor < 2:
        return Division(1, f"its {heads} heads with {kv_heads} of keys and values have no common divisor")
    if not _has_experts(config):
        return Division(divisor)
    size = whole(config.get("moe_intermediate_size", 0)) or whole(config.get("intermediate_size", 0))
    divisor = math.gcd(divisor, size // _EXPERT_ROWS if size and size % _EXPERT_ROWS == 0 else 1)
    if divisor < 2:
        return Division(1, f"its experts of {size} values are not divided into equal parts of {_EXPERT_ROWS} or more")
    return Division(divisor)


def _undivided(model: ModelFacts) -> str:
    config = model.config
    if model.task != "generate" or config.get("is_encoder_decoder"):
        return "only decoders that generate text are divided over devices"
    if model.format != "safetensors":
        return f"weights of the format `{model.format}` are not divided over devices"
    if model.has_adapter:
        return "an adapter is merged into weights that are whole"
    if "remote_code" in model.grants and config.get("auto_map"):
        return "it runs code of its own, which has no network, and the parts of a model speak by it"
    if has_vision(config) or isinstance(config.get("text_config"), Mapping):
        return "models that see or hear are not divided over devices"
    if reason := rerun_reason(config) or paging_refusal(config):
        return f"only models whose cache has pages are divided over devices: {reason}"
    plan = _plan_of(str(config.get("model_type", "")))
    if _PLAN not in plan:
        return f"transformers has no plan to divide models of the type `{config.get('model_type', '')}`"
    if _has_experts(config) and _PLAN_OF_EXPERTS not in plan:
        return f"transformers' plan divides no experts of the type `{config.get('model_type', '')}`"
    return ""


def _has_experts(config: Mapping[str, Any]) -> bool:
    return any(whole(config.get(name, 0)) > 1 for name in _EXPERTS)


@cache
def _plan_of(model_type: str) -> str:
    """The file in which transformers has the `tp_plan` of a type, if it has one: importing it takes a second."""
    package = importlib.util.find_spec("transformers")
    folder = model_type.replace("-", "_")
    if package is None or package.origin is None or not folder.isidentifier():
        return ""
    files = (Path(package.origin).parent / "models" / folder).glob("configuration_*.py")
    return "\n".join(file.read_text() for file in files)


def refusal_of(division: Division, parts: int) -> str:
    """Why a model is not divided into so many parts; empty where it is."""
    if division.reason:
        return division.reason
    if division.divisor % parts:
        return f"its heads are divided among {_divisors(division.divisor)} devices, not among {parts}"
    return ""


def _divisors(number: int) -> str:
    found = [str(each) for each in range(2, number + 1) if number % each == 0]
    return " or ".join(found)
