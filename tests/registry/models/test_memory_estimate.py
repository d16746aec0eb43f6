"""What a model takes in memory, from its weights and its config.json."""

from __future__ import annotations

from typing import Any

import pytest

from panope_registry.models.memory_estimate import cache_bytes, memory_bytes

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "hidden_size": 4096,
    "max_position_embeddings": 8192,
}


def test_a_generators_need_is_its_weights_and_the_cache_of_a_text() -> None:
    # Keys and values, 32 layers, 8 heads of 128 numbers of 2 bytes, 4096 tokens.
    assert cache_bytes(LLAMA) == 2 * 32 * 8 * 128 * 2 * 4096
    assert memory_bytes(1000, LLAMA) == 1200 + cache_bytes(LLAMA)


def test_the_cache_is_no_longer_than_the_models_own_limit() -> None:
    assert cache_bytes(LLAMA | {"max_position_embeddings": 1024}) * 4 == cache_bytes(LLAMA)


def test_a_nested_configuration_tells_as_well() -> None:
    nested = {"architectures": ["Gemma3ForConditionalGeneration"], "text_config": LLAMA}
    assert cache_bytes(nested) == cache_bytes(LLAMA)


@pytest.mark.parametrize(
    "change",
    [
        {"architectures": ["BertModel"]},
        {"architectures": "LlamaForCausalLM"},
        {"hidden_size": None},
        {"num_hidden_layers": -1},
        {"num_attention_heads": 10**30},
        {"num_hidden_layers": True},
        {"hidden_size": "4096"},
    ],
)
def test_a_configuration_that_does_not_tell_adds_nothing(change: dict[str, Any]) -> None:
    assert memory_bytes(1000, LLAMA | change) == 1200


def test_a_detector_of_text_takes_its_run_beside_weights_that_are_small() -> None:
    assert memory_bytes(1000, {"text_detector_max_side": 2000}) == 1200 + 220 * 2000**2


def test_of_weights_that_nobody_knows_nothing_is_said() -> None:
    assert memory_bytes(0, LLAMA) == 0


def test_a_pipeline_takes_memory_to_decode_what_it_has_drawn() -> None:
    index = {"_class_name": "StableDiffusionPipeline", "vae": ["diffusers", "AutoencoderKL"]}
    assert memory_bytes(1000, index) == 1200 + 4200 * 512**2
    assert memory_bytes(1000, {"_class_name": "AutoencoderKL"}) == 1200  # a part by itself
