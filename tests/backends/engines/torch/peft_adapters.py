"""Adapters that PEFT makes and saves, with random numbers that say something."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch


def peft_adapter(base: Path, out: Path, options: Mapping[str, Any], seed: int = 1) -> Any:
    """PEFT's model of a base with a new adapter, which is saved.

    Args:
        base: the folder of a decoder.
        out: where the adapter is saved.
        options: of PEFT's configuration.
        seed: of the adapter's numbers.
    """
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, attn_implementation="eager").eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PEFT explains what it does for Conv1D and tied weights
        torch.manual_seed(seed)
        adapted = get_peft_model(model, LoraConfig(**{"r": 4, "task_type": "CAUSAL_LM", **options})).eval()
        with torch.no_grad():
            for parameter in adapted.parameters():
                if parameter.requires_grad:
                    parameter += 0.1 * torch.randn_like(parameter)
        adapted.save_pretrained(out)
    return adapted
