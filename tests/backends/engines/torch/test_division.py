"""Whether a model may be divided over devices is told from its config.json, and what may not is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from panope_backends.api import LoadOptions, ModelFacts
from panope_backends.engines.torch import CpuBackend
from panope_backends.engines.torch.devices.mps import MpsRule
from panope_backends.engines.torch.tensor_parallel.division import division_of, refusal_of
from panope_backends.engines.torch.torch_backend import TorchBackend
from panope_backends.errors import PreconditionError

LLAMA = {"model_type": "llama", "num_attention_heads": 32, "num_key_value_heads": 8}


class Mps(TorchBackend):
    name = "mps"
    rule = MpsRule()


def facts(config: dict[str, Any], **more: Any) -> ModelFacts:
    return ModelFacts("acme/m", **{"format": "safetensors", "task": "generate", "config": LLAMA | config} | more)


@pytest.mark.parametrize(
    ("config", "divisor"),
    [
        ({}, 8),
        ({"num_key_value_heads": None}, 32),
        ({"model_type": "qwen2", "num_attention_heads": 14, "num_key_value_heads": 2}, 2),
        ({"model_type": "phi3", "num_attention_heads": 12, "num_key_value_heads": 12}, 12),
        ({"model_type": "mixtral", "num_local_experts": 8, "intermediate_size": 14336}, 8),
        ({"model_type": "qwen3_moe", "num_experts": 128, "moe_intermediate_size": 32, "intermediate_size": 6144}, 4),
    ],
)
def test_parts_have_equally_many_heads_and_heads_of_keys_and_values(config: dict[str, Any], divisor: int) -> None:
    assert division_of(facts(config)) == (divisor, "")


@pytest.mark.parametrize(
    ("config", "more", "reason"),
    [
        ({"model_type": "gpt2"}, {}, "no plan to divide models of the type `gpt2`"),
        ({"num_local_experts": 8}, {}, "plan divides no experts of the type `llama`"),
        ({"model_type": "mixtral", "num_local_experts": 8, "intermediate_size": 129}, {}, "experts of 129 values"),
        ({"model_type": "mixtral", "num_local_experts": 8, "intermediate_size": "?"}, {}, "experts of 0 values"),
        ({"num_attention_heads": 8, "num_key_value_heads": 1}, {}, "8 heads with 1 of keys and values"),
        ({"num_attention_heads": "many", "num_key_value_heads": None}, {}, "0 heads"),
        ({"vision_config": {}}, {}, "models that see or hear"),
        ({"model_type": "mamba"}, {}, "only models whose cache has pages"),
        ({"is_encoder_decoder": True}, {}, "only decoders"),
        ({"auto_map": {"AutoModelForCausalLM": "x.Y"}}, {"grants": ("remote_code",)}, "has no network"),
        ({}, {"task": "embed"}, "only decoders"),
        ({}, {"format": "torchao"}, "the format `torchao`"),
        ({}, {"has_adapter": True}, "an adapter"),
        ({"model_type": "../../llama"}, {}, "no plan"),
    ],
)
def test_what_is_not_divided_is_told_by_name(config: dict[str, Any], more: dict[str, Any], reason: str) -> None:
    division = division_of(facts(config, **more))
    assert division.divisor == 1
    assert reason in division.reason


def test_a_number_of_parts_that_does_not_divide_the_heads_is_refused_with_those_that_do() -> None:
    division = division_of(facts({}))
    assert [refusal_of(division, parts) for parts in (2, 4, 8)] == ["", "", ""]
    assert refusal_of(division, 3) == "its heads are divided among 2 or 4 or 8 devices, not among 3"


def test_backends_tell_it_with_their_support() -> None:
    backend = CpuBackend()
    support = backend.supports(facts({}), backend.devices()[0])
    assert (support.divisor, support.undivided) == (8, "")


def test_models_are_not_divided_over_apples_gpus() -> None:
    support = Mps().supports(facts({}), Mps().devices()[0])
    assert (support.divisor, support.undivided) == (1, "PyTorch divides no models over Apple's GPUs")


@pytest.mark.parametrize(
    ("peers", "config", "reason"),
    [
        (("CPU", "CPU"), {}, "not among 3"),
        (("CPU",), {"model_type": "gpt2"}, "no plan"),
    ],
)
def test_loading_refuses_what_is_not_divided(
    tmp_path: Path, peers: tuple[str, ...], config: dict[str, Any], reason: str
) -> None:
    with pytest.raises(PreconditionError, match=reason) as refused:
        CpuBackend().load(facts(config), tmp_path, "CPU", LoadOptions(peer_devices=peers))
    assert refused.value.reason == "not_divisible"
