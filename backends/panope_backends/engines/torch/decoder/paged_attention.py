"""Chooses how a model attends to its pages: the best of its device's ways that computes what the plainest one does.

Which GPU takes which sizes of heads and pages, windows and precisions changes with every version of PyTorch and of what
it is built on. So each way is tried with the layers of the model at hand, and one that refuses or errs is passed over.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from panope_backends.api import StepBatch, StepSequence
from panope_backends.engines.torch.decoder.attention import AttentionLayer
from panope_backends.engines.torch.decoder.pages import Pages
from panope_backends.engines.torch.devices.torch_device import HOST, PagedAttention, TorchDevice

#: Steps of two sequences: past and new tokens of each, and 0 new ones for one that is no part of the step.
_STEPS = (((0, 70), (0, 0)), ((70, 1), (0, 40)), ((71, 1), (40, 3)), ((72, 1), (43, 1)))

#: How far a way may be from the plainest one, as a part of the largest number.
_TOLERANCE = {torch.float32: 1e-3, torch.float16: 1e-2, torch.bfloat16: 5e-2}

_PLAIN = PagedAttention("eager", 32)


def choose_attention(layers: Sequence[AttentionLayer], dtype: Any, device: TorchDevice) -> PagedAttention:
    """The first of a device's ways that all layers can be computed by; the last of them without a trial.

    Args:
        layers: of the model.
        dtype: torch's, of keys and values.
        device: where they lie.
    """
    *tried, last = device.attentions
    kinds = list(dict.fromkeys(replace(layer, index=0) for layer in layers))
    for attention in tried:
        if all(_is_right(layer, dtype, attention, device) for layer in kinds):
            return attention
    return last


def _is_right(layer: AttentionLayer, dtype: Any, attention: PagedAttention, device: TorchDevice) -> bool:
    try:
        # The same numbers, so that only the way differs.
        found = _run(Pages([layer], dtype, attention, device), layer, dtype, device, dtype)
    except Exception as error:  # of kernels, compilers and drivers, each with errors of its own
        reason = str(error).partition("\n")[0][:200]
        logging.getLogger(__name__).info("attention by %s with pages of %s is not there: %s", *_told(attention), reason)
        return False
    expected = _run(Pages([layer], torch.float32, _PLAIN, HOST), layer, torch.float32, HOST, dtype)
    difference = float((found - expected).abs().max() / expected.abs().max())
    if not difference <= _TOLERANCE[dtype]:
        logging.getLogger(__name__).warning(
            "attention by %s with pages of %s is off by %.3g, and is not used", *_told(attention), difference
        )
        return False
    return True


def _told(attention: PagedAttention) -> tuple[str, int]:
    return attention.name, attention.block_size


def _run(pages: Pages, layer: AttentionLayer, dtype: Any, device: TorchDevice, rounded_to: Any) -> Any:
    """What a layer computes in all steps, in float32 in the machine's memory."""
    generator = torch.Generator().manual_seed(0)
    # The second sequence's blocks come first, so that tables matter.
    blocks = [list(range(4, 8)), list(range(4))]
    pages.allocate(8)
    found = []
    for step in _STEPS:
        parts = [
            StepSequence([0] * new, past, blocks[number][: -(-(past + new) // pages.block_size)])
            for number, (past, new) in enumerate(step)
            if new
        ]
        tokens = sum(len(part.tokens) for part in parts)
        sizes = (layer.heads * layer.key_size, layer.kv_heads * layer.key_size, layer.kv_heads * layer.value_size)
        drawn = [torch.randn(tokens, size, generator=generator).to(rounded_to).to(dtype) for size in sizes]
        with torch.inference_mode():
            pages.begin(StepBatch.of(parts))
            query, key, value = (device.put(each) for each in drawn)
            attended = pages.attend(layer, query, key, value, None)
        found.append(torch.from_numpy(device.array(attended)))
    return torch.cat(found)
