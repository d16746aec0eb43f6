"""Small seeded encoder-decoders of several families for tests, the same each time. Needs transformers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from panope_backends.api import ModelFacts

POSITIONS = 150
"""Of sources and decoders: some blocks of 32 tokens, the last of them not full."""

VOCABULARY = 199

_T5: Mapping[str, Any] = {"d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4, "n_positions": POSITIONS}
_LAYERS: Mapping[str, Any] = {
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 128,
    "decoder_ffn_dim": 128,
    "max_position_embeddings": POSITIONS,
    "tie_word_embeddings": False,
}

#: Name of the family -> transformers' type and what its configuration has of its own.
ENCODER_DECODERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "t5": ("t5", _T5),
    "flan-t5": ("t5", {**_T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}),
    "mt5": ("mt5", {**_T5, "tie_word_embeddings": False}),
    "umt5": ("umt5", {**_T5, "tie_word_embeddings": False}),
    "bart": ("bart", _LAYERS),
    "mbart": ("mbart", {**_LAYERS, "scale_embedding": True}),
    "marian": ("marian", {**_LAYERS, "scale_embedding": True, "activation_function": "swish"}),
    "pegasus": ("pegasus", _LAYERS),
    "m2m100": ("m2m_100", _LAYERS),
    "blenderbot": ("blenderbot", _LAYERS),
    "blenderbot-small": ("blenderbot-small", _LAYERS),
    "plbart": ("plbart", _LAYERS),
    "nllb-moe": ("nllb-moe", {**_LAYERS, "num_experts": 4, "encoder_sparse_step": 2, "decoder_sparse_step": 2}),
}

#: As `ENCODER_DECODERS`, of those whose decoders run each text anew at each step.
RERUN_ENCODER_DECODERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "led": ("led", {**_LAYERS, "attention_window": [4, 4], "max_encoder_position_embeddings": POSITIONS}),
    "mvp": ("mvp", _LAYERS),
    "longt5": ("longt5", _T5),
    "switch-transformers": ("switch_transformers", _T5),
}

#: As `ENCODER_DECODERS`, of those that are refused by their type.
REFUSED_ENCODER_DECODERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "prophetnet": ("prophetnet", {"num_encoder_layers": 2, "num_decoder_layers": 2, "hidden_size": 64}),
}

_SIZES: Mapping[str, Any] = {
    "vocab_size": VOCABULARY,
    "d_model": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
    "forced_eos_token_id": None,
}

#: Weights are so many times those of a fresh model, which attends to all tokens about alike.
_SHARPNESS = 3


def tiny_encoder_decoder(
    folder: Path, family: str = "t5", *, sharpness: int = _SHARPNESS, **changes: Any
) -> ModelFacts:
    """Writes a seeded encoder-decoder as safetensors.

    Args:
        folder: where to.
        family: one of `ENCODER_DECODERS`, `RERUN_ENCODER_DECODERS` or `REFUSED_ENCODER_DECODERS`.
        sharpness: by which weights are multiplied; with 3 a T5 bears no weights of 8 bits, as trained ones do.
        changes: to its configuration.
    """
    import torch
    from transformers import AutoConfig, AutoModelForSeq2SeqLM
    from transformers.utils import logging

    kind, own = {**ENCODER_DECODERS, **RERUN_ENCODER_DECODERS, **REFUSED_ENCODER_DECODERS}[family]
    config = AutoConfig.for_model(kind, **{**_SIZES, **own, **changes})
    torch.manual_seed(0)
    model = AutoModelForSeq2SeqLM.from_config(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1 and "embed_positions" not in name:
                parameter.mul_(1 if _is_table(name) and "t5" in kind else sharpness)
    logging.disable_progress_bar()
    model.save_pretrained(folder)
    parsed = json.loads((folder / "config.json").read_text())
    return ModelFacts(f"test/tiny-{family}", "safetensors", "generate", parsed["architectures"][0], parsed)


def reference_answer_logits(folder: Path, source: Sequence[int], tokens: Sequence[int]) -> np.ndarray[Any, Any]:
    """What transformers says, with attention in its plainest form: float32 `[tokens, vocabulary]`."""
    import torch
    from transformers import AutoModelForSeq2SeqLM

    model = AutoModelForSeq2SeqLM.from_pretrained(folder, attn_implementation="eager").eval()
    with torch.inference_mode():
        made = model(input_ids=torch.tensor([list(source)]), decoder_input_ids=torch.tensor([list(tokens)]))
    logits: np.ndarray[Any, Any] = made.logits[0].float().numpy()
    return logits


def _is_table(name: str) -> bool:
    """Whether a parameter is a table of tokens: those of T5 are large already."""
    return "shared" in name or "embed_tokens" in name or "lm_head" in name
