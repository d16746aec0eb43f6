"""Adapters that PEFT saved, merged by Panope: the same logits as PEFT's own, merged and beside the weights."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft_adapters import peft_adapter
from safetensors.torch import load_file, save_file

from panope_backends.engines.torch.pretrained import load_pretrained
from panope_backends.errors import PreconditionError
from panope_backends.lora import CONFIG, FOLDER, WEIGHTS
from panope_backends.testing.decoders import tiny_decoder
from panope_backends.testing.encoder_decoders import tiny_encoder_decoder
from panope_backends.testing.models import tiny_transformer

TOKENS = list(range(3, 40))

#: Name -> family and what PEFT is asked for.
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {"target_modules": ["q_proj", "v_proj"]}),
    "every linear layer": ("llama", {"target_modules": "all-linear"}),
    "an expression": ("llama", {"target_modules": r".*\.mlp\.(up|down)_proj"}),
    "conv1d": ("gpt2", {"target_modules": ["c_attn", "c_proj"]}),
    "gpt-neox": ("gpt-neox", {"target_modules": ["query_key_value", "dense_4h_to_h"]}),
    "rslora": ("qwen2", {"target_modules": ["q_proj"], "use_rslora": True, "lora_alpha": 3}),
    "dora": ("llama", {"target_modules": ["q_proj", "down_proj"], "use_dora": True}),
    "dora of conv1d": ("gpt2", {"target_modules": ["c_attn"], "use_dora": True}),
    "every bias": ("qwen2", {"target_modules": ["q_proj"], "bias": "all"}),
    "own biases": ("qwen2", {"target_modules": ["q_proj"], "bias": "lora_only"}),
    "saved modules": ("llama", {"target_modules": ["q_proj"], "modules_to_save": ["lm_head", "embed_tokens"]}),
    "a tied head": ("gpt2", {"target_modules": ["c_attn"], "modules_to_save": ["lm_head"]}),
    "a table": ("llama", {"target_modules": ["q_proj", "embed_tokens"]}),
    "a head": ("llama", {"target_modules": ["q_proj", "lm_head"]}),
    "patterns": (
        "llama",
        {
            "target_modules": ["q_proj", "v_proj", "up_proj"],
            "rank_pattern": {"v_proj": 2, "layers.1.mlp.up_proj": 6},
            "alpha_pattern": {"layers.1.self_attn.q_proj": 5, "q_proj": 11},
        },
    ),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Any, Path, Any]]:
    """Saves a base and an adapter by PEFT: the facts, the folder of both, and PEFT's model."""

    def save(family: str, options: dict[str, Any]) -> tuple[Any, Path, Any]:
        folder = tmp_path_factory.mktemp("adapted")
        facts = tiny_decoder(folder, family)
        return facts, folder, peft_adapter(folder, folder / FOLDER, options)

    return save


def logits(module: Any) -> np.ndarray[Any, Any]:
    with torch.inference_mode():
        found: np.ndarray[Any, Any] = module(input_ids=torch.tensor([TOKENS])).logits[0].float().numpy()
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_merged_weights_give_the_logits_of_peft(saved: Callable[..., Any], kind: str) -> None:
    facts, folder, model = saved(*KINDS[kind])
    beside = logits(model)
    plain = logits(tiny_base(facts, folder))
    ours = logits(load_pretrained(facts, folder, "fp32", "AutoModelForCausalLM", "eager"))
    scale = np.abs(beside).max()
    assert np.abs(beside - plain).max() > 0.02 * scale  # the adapter says something
    np.testing.assert_allclose(ours, beside, atol=2e-5 * scale)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        merged = logits(model.merge_and_unload())
    np.testing.assert_allclose(ours, merged, atol=2e-5 * scale)


def tiny_base(facts: Any, folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()


#: What makes the base, its auto class, PEFT's task type, the targets, and the inputs beside token ids.
OTHERS: dict[str, tuple[Callable[..., Any], str, str, list[str], dict[str, Any]]] = {
    "encoder": (tiny_transformer, "AutoModel", "FEATURE_EXTRACTION", ["query", "value"], {}),
    "encoder-decoder": (
        tiny_encoder_decoder,
        "AutoModelForSeq2SeqLM",
        "SEQ_2_SEQ_LM",
        ["q", "v"],
        {"decoder_input_ids": torch.tensor([[0, 5, 7]])},
    ),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_models_that_are_no_decoders_are_adapted_too(tmp_path: Path, kind: str) -> None:
    import transformers
    from peft import LoraConfig, get_peft_model

    make, auto_class, task_type, targets, more = OTHERS[kind]
    facts = make(tmp_path)
    base = getattr(transformers, auto_class).from_pretrained(tmp_path, attn_implementation="eager").eval()

    def run(module: Any) -> Any:
        with torch.inference_mode():
            return module(input_ids=torch.tensor([TOKENS]), **more)[0].float().numpy()

    plain = run(base)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(1)
        model = get_peft_model(base, LoraConfig(r=4, task_type=task_type, target_modules=targets)).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter += 0.3 * torch.randn_like(parameter)
        model.save_pretrained(tmp_path / FOLDER)
    ours, theirs = run(load_pretrained(facts, tmp_path, "fp32", auto_class, "eager")), run(model)
    scale = np.abs(theirs).max()
    assert np.abs(theirs - plain).max() > 0.005 * scale  # the adapter says something
    np.testing.assert_allclose(ours, theirs, atol=2e-5 * scale)


def test_a_model_of_16_bits_is_adapted_in_32(saved: Callable[..., Any]) -> None:
    facts, folder, model = saved("llama", {"target_modules": ["q_proj"]})
    module = load_pretrained(facts, folder, "bf16", "AutoModelForCausalLM", "eager")
    assert {parameter.dtype for parameter in module.parameters()} == {torch.bfloat16}
    difference = np.abs(logits(module) - logits(model)).max()
    assert difference < 0.05 * np.abs(logits(model)).max()


def test_an_adapter_of_half_a_model_fits_the_whole_and_the_other_way_round(saved: Callable[..., Any]) -> None:
    facts, folder, _ = saved("llama", {"target_modules": ["q_proj"]})
    whole = load_pretrained(facts, folder, "fp32", "AutoModelForCausalLM", "eager").model.layers[0].self_attn.q_proj
    half = load_pretrained(facts, folder, "fp32", "AutoModel", "eager").layers[0].self_attn.q_proj
    assert torch.equal(whole.weight, half.weight)


LAYER = "base_model.model.model.layers.0.self_attn.q_proj"


@pytest.mark.parametrize(
    ("renamed", "shapes", "problem"),
    [
        (LAYER, {"lora_B.weight": (32, 4)}, "another shape"),
        (LAYER, {"lora_A.weight": (4, 32)}, "another shape"),
        (LAYER.replace(".0.", ".9."), {}, "which the model does not have"),
        (LAYER.replace("self_attn.q_proj", "input_layernorm"), {}, "which is a LlamaRMSNorm"),
    ],
)
def test_an_adapter_of_another_model_is_refused(
    saved: Callable[..., Any], renamed: str, shapes: dict[str, tuple[int, int]], problem: str
) -> None:
    facts, folder, _ = saved("llama", {"target_modules": ["q_proj"]})
    tensors = load_file(folder / FOLDER / WEIGHTS)
    for kind in ("lora_A.weight", "lora_B.weight"):
        tensor = tensors.pop(f"{LAYER}.{kind}")
        tensors[f"{renamed}.{kind}"] = torch.zeros(shapes[kind]) if kind in shapes else tensor
    save_file(tensors, folder / FOLDER / WEIGHTS)
    config = json.loads((folder / FOLDER / CONFIG).read_text()) | {"target_modules": "any"}
    (folder / FOLDER / CONFIG).write_text(json.dumps(config))
    with pytest.raises(PreconditionError, match=problem) as caught:
        load_pretrained(facts, folder, "fp32", "AutoModelForCausalLM")
    assert caught.value.reason == "adapter_mismatch"


def test_an_adapter_that_cannot_be_read_is_refused(saved: Callable[..., Any]) -> None:
    facts, folder, _ = saved("llama", {"target_modules": ["q_proj"]})
    (folder / FOLDER / WEIGHTS).write_bytes(b"PK\x03\x04")
    with pytest.raises(PreconditionError, match="cannot be read"):
        load_pretrained(facts, folder, "fp32", "AutoModelForCausalLM")
