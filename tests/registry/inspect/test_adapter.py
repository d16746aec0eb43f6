"""What adapters' files say, and which are refused: each by the name of the field, the tensor or the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from panope_backends.errors import PanopeError
from panope_registry.inspect.inspect import Inspection, inspect_files
from panope_registry.testing.adapters import LAYER, TENSORS, lora_adapter
from panope_registry.testing.formats import safetensors_bytes

UP, DOWN = f"{LAYER}.lora_B.weight", f"{LAYER}.lora_A.weight"
HEAD = "base_model.model.lm_head.weight"


def inspected(folder: Path) -> Inspection:
    return inspect_files({str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()})


#: Settings -> what is told of the adapter.
GOOD: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {}, "LoRA of rank 2 and alpha 4 in 1 modules: q_proj"),
    ({"use_rslora": True, "lora_alpha": 0.5}, {}, "rank-stabilised LoRA of rank 2 and alpha 0.5 in 1 modules: q_proj"),
    ({"use_dora": True}, {f"{LAYER}.lora_magnitude_vector": (32,)}, "DoRA of rank 2 and alpha 4 in 1 modules: q_proj"),
    ({"modules_to_save": ["lm_head"]}, {HEAD: (64, 32)}, "q_proj; it replaces 1 weights as they are"),
    ({"bias": "lora_only"}, {f"{LAYER}.base_layer.bias": (32,)}, "q_proj; it replaces 1 weights as they are"),
    ({"rank_pattern": {"self_attn.q_proj": 2}, "r": 8}, {}, "LoRA of rank 2 and alpha 4"),
    ({"target_modules": ".*q_proj", "lora_dropout": 0.1, "layers_to_transform": [0]}, {}, "LoRA of rank 2"),
]


@pytest.mark.parametrize(("config", "tensors", "told"), GOOD)
def test_what_it_is_stands_in_the_reasons(
    tmp_path: Path, config: dict[str, Any], tensors: dict[str, Any], told: str
) -> None:
    found = inspected(lora_adapter(tmp_path / "lora", "a/b", config=config, tensors={**TENSORS, **tensors}))
    assert told in found.reasons["adapter"]
    assert (found.base, found.task) == ("a/b", "generate")


#: What is wrong -> the error's reason, a part of its sentence, and how the adapter is made.
BAD: dict[str, tuple[str, str, dict[str, Any]]] = {
    "another kind": ("unsupported_adapter", "`peft_type` 'LOHA'", {"config": {"peft_type": "LOHA"}}),
    "no kind": ("unsupported_adapter", "`peft_type` None", {"config": {"peft_type": None}}),
    "a rank without end": ("broken_file", "`r` must be a whole number from 1 to 4,096", {"config": {"r": 10**6}}),
    "no rank": ("broken_file", "`r` must be", {"config": {"r": 0}}),
    "a rank in words": ("broken_file", "`r` must be", {"config": {"r": "2"}}),
    "an endless alpha": ("broken_file", "`lora_alpha` must be", {"config": {"lora_alpha": float("inf")}}),
    "no bias of PEFT's": ("broken_file", "`bias` must be", {"config": {"bias": "some"}}),
    "targets in numbers": ("broken_file", "`target_modules` must be", {"config": {"target_modules": [1]}}),
    "patterns in a list": ("broken_file", "`rank_pattern` must be", {"config": {"rank_pattern": ["q_proj"]}}),
    "experts": ("unsupported_adapter", "sets `'target_parameters'`", {"config": {"target_parameters": ["w"]}}),
    "layers again": ("unsupported_adapter", "sets `'layer_replication'`", {"config": {"layer_replication": [[0, 2]]}}),
    "a field of tomorrow": ("unsupported_adapter", "sets `'use_new'`", {"config": {"use_new": True}}),
    "changed weights": ("unsupported_adapter", "'pissa'", {"config": {"init_lora_weights": "pissa"}}),
    "an expression": ("unsupported_adapter", "in `rank_pattern`", {"config": {"rank_pattern": {"(a+)+$": 2}}}),
    "another rank in the file": ("broken_file", "ranks 2 and 2; `adapter_config.json` says 3", {"config": {"r": 3}}),
    "a module that is no target": ("broken_file", "does not name", {"config": {"target_modules": ["v_proj"]}}),
    "half a pair": ("broken_file", "it lacks up", {"tensors": {DOWN: (2, 32)}}),
    "no magnitudes": ("broken_file", "it lacks magnitude", {"config": {"use_dora": True}}),
    "magnitudes of plain LoRA": (
        "broken_file",
        "has magnitude",
        {"tensors": {**TENSORS, f"{LAYER}.lora_magnitude_vector": (32,)}},
    ),
    "a table with magnitudes": (
        "unsupported_adapter",
        "the table `embed_tokens`",
        {
            "config": {"use_dora": True, "target_modules": ["embed_tokens"]},
            "tensors": {"base_model.model.embed_tokens.lora_embedding_A": (2, 64)},
        },
    ),
    "fused experts": (
        "unsupported_adapter",
        "parameters of experts",
        {"tensors": {name.replace("q_proj", "base_layer"): shape for name, shape in TENSORS.items()}},
    ),
    "no tensors": ("broken_file", "no tensors of LoRA", {"tensors": {}}),
    "a tensor of nothing": ("broken_file", "no field of its configuration", {"tensors": {**TENSORS, HEAD: (64, 32)}}),
    "a strange name": ("broken_file", "does not begin with", {"tensors": {**TENSORS, "weight": (1,)}}),
    "a long name": ("broken_file", "600 characters", {"tensors": {**TENSORS, "w" * 600: (1,)}}),
    "a cube": ("unsupported_adapter", "no matrix", {"tensors": {DOWN: (2, 32, 1), UP: (32, 2)}}),
    "an empty matrix": ("broken_file", "without numbers", {"tensors": {DOWN: (2, 0), UP: (32, 2)}}),
    "a pickle": ("unsafe_format", "adapter_model.bin", {"files": {"adapter_model.bin": b"PK"}}),
    "a broken file": ("broken_file", "too short", {"files": {"adapter_model.safetensors": b"\x00" * 7}}),
    "whole weights beside it": (
        "unsupported_adapter",
        "folder of its own",
        {"files": {"model.safetensors": safetensors_bytes({"a": ("F32", [1])})}},
    ),
    "code": (
        "remote_code",
        "auto_map",
        {"files": {"tokenizer_config.json": json.dumps({"auto_map": {"AutoTokenizer": ["t.T", None]}})}},
    ),
}


@pytest.mark.parametrize("wrong", BAD)
def test_bad_adapters_are_refused_by_name(tmp_path: Path, wrong: str) -> None:
    reason, told, how = BAD[wrong]
    folder = lora_adapter(tmp_path / "lora", "a/b", **how)
    if wrong == "a pickle":
        (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(PanopeError) as caught:
        inspected(folder)
    assert caught.value.reason == reason
    assert told in caught.value.message
    assert str(tmp_path) not in caught.value.message
