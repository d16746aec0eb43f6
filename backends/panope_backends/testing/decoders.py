"""Small seeded decoders of many families for tests, made on the spot, the same each time. Needs transformers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from panope_backends.api import ModelFacts

POSITIONS = 150
"""Of each decoder: some blocks of 32 tokens, the last of them not full."""

VOCABULARY = 199

_GROUPED: Mapping[str, Any] = {"num_key_value_heads": 2}
_EVERY_HEAD: Mapping[str, Any] = {"num_key_value_heads": 4}
_SIZED: Mapping[str, Any] = {"num_key_value_heads": 2, "head_dim": 32}
_EXPERTS: Mapping[str, Any] = {"num_experts_per_tok": 2, "moe_intermediate_size": 32}

#: Name of the family -> transformers' type and what its configuration has of its own.
FAMILIES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "llama": ("llama", _GROUPED),
    "qwen2": ("qwen2", _GROUPED),
    "qwen3": ("qwen3", _SIZED),
    "mistral": ("mistral", {**_GROUPED, "sliding_window": 16}),
    "gemma3": ("gemma3_text", {**_SIZED, "sliding_window": 16, "layer_types": ["sliding_attention", "full_attention"]}),
    "phi3": ("phi3", _EVERY_HEAD),
    "phi": ("phi", _EVERY_HEAD),
    "gpt2": ("gpt2", {}),
    "gpt-neox": ("gpt_neox", {}),
    "opt": ("opt", {"ffn_dim": 128, "word_embed_proj_dim": 64}),
    "olmo2": ("olmo2", _GROUPED),
    "granite": ("granite", {**_GROUPED, "attention_multiplier": 0.2, "logits_scaling": 2.0}),
    "cohere": ("cohere", _GROUPED),
    "stablelm": ("stablelm", _GROUPED),
    "starcoder2": ("starcoder2", {**_GROUPED, "sliding_window": None}),
    "smollm3": ("smollm3", _GROUPED),
    "mixtral": ("mixtral", {**_GROUPED, "num_local_experts": 4, "num_experts_per_tok": 2}),
    "qwen3-moe": ("qwen3_moe", {**_SIZED, **_EXPERTS, "num_experts": 4}),
    "deepseek-v3": (
        "deepseek_v3",
        {
            **_EVERY_HEAD,
            **_EXPERTS,
            "n_routed_experts": 8,
            "n_group": 2,
            "topk_group": 1,
            "q_lora_rank": 32,
            "kv_lora_rank": 32,
            "qk_rope_head_dim": 16,
            "qk_nope_head_dim": 16,
            "v_head_dim": 24,
            "first_k_dense_replace": 1,
        },
    ),
    "gpt-oss": ("gpt_oss", {**_SIZED, "num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 16}),
}

_STATES: Mapping[str, Any] = {"mamba_n_heads": 8, "mamba_d_head": 16, "mamba_d_state": 16}

#: As `FAMILIES`, of those whose attention cannot be paged, or that have none in some layers.
UNPAGED_FAMILIES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "mamba": ("mamba", {}),
    "mamba2": ("mamba2", {"num_heads": 8, "head_dim": 16, "n_groups": 1, "state_size": 16}),
    "rwkv": ("rwkv", {"attention_hidden_size": 64, "context_length": POSITIONS}),
    # Of its layers one attends: transformers generates by no cache without such.
    "recurrent-gemma": (
        "recurrent_gemma",
        {**_GROUPED, "lru_width": 64, "attention_window_size": 16, "block_types": ["recurrent", "attention"]},
    ),
    "falcon-mamba": ("falcon_mamba", {}),
    "bloom": ("bloom", {"n_layer": 2, "n_head": 4}),
    "falcon": ("falcon", {"num_kv_heads": 4}),
    "mpt": ("mpt", {"d_model": 64, "n_heads": 4, "n_layers": 2, "max_seq_len": POSITIONS}),
    "gemma2": ("gemma2", {**_SIZED, "sliding_window": 16}),
    "falcon-h1": ("falcon_h1", {**_SIZED, **_STATES, "mamba_d_ssm": 128}),
    "jamba": ("jamba", {**_GROUPED, "attn_layer_period": 2, "attn_layer_offset": 1, "num_experts": 2}),
    "lfm2": ("lfm2", {**_GROUPED, "layer_types": ["conv", "full_attention"]}),
    "qwen3-next": (
        "qwen3_next",
        {
            **_SIZED,
            **_EXPERTS,
            "num_experts": 4,
            "shared_expert_intermediate_size": 32,
            "linear_num_value_heads": 4,
            "linear_num_key_heads": 2,
            "linear_key_head_dim": 16,
            "linear_value_head_dim": 16,
            "layer_types": ["linear_attention", "full_attention"],
        },
    ),
}

_SIZES: Mapping[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": POSITIONS,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}

#: Weights are so many times those of a fresh model, which attends to all tokens about alike.
_SHARPNESS = 3


def tiny_decoder(folder: Path, family: str = "llama", **changes: Any) -> ModelFacts:
    """Writes a seeded decoder as safetensors.

    Args:
        folder: where to.
        family: one of `FAMILIES` or `UNPAGED_FAMILIES`, or a type of transformers.
        changes: to its configuration.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.utils import logging

    kind, own = {**FAMILIES, **UNPAGED_FAMILIES}.get(family, (family, {}))
    config = AutoConfig.for_model(kind, **{**_SIZES, **own, **changes})
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(_SHARPNESS)
    logging.disable_progress_bar()
    model.save_pretrained(folder)
    parsed = json.loads((folder / "config.json").read_text())
    return ModelFacts(f"test/tiny-{family}", "safetensors", "generate", parsed["architectures"][0], parsed)


def reference_logits(folder: Path, tokens: Sequence[int]) -> np.ndarray[Any, Any]:
    """What transformers says of a text, with attention in its plainest form: float32 `[tokens, vocabulary]`."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    with torch.inference_mode():
        logits: np.ndarray[Any, Any] = model(input_ids=torch.tensor([list(tokens)])).logits[0].float().numpy()
    return logits
