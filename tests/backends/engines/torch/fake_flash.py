"""What NVIDIA's GPUs compute as `_flash_attention_forward`, on which PyTorch's `varlen_attn` stands."""

from __future__ import annotations

import math
from typing import Any

import torch

#: Pages that the kernel takes are of multiples of so many tokens, on GPUs before Hopper.
PAGE_SIZE = 256


def flash_attention(query: Any, key: Any, value: Any, begins: Any, *rest: Any, **options: Any) -> tuple[Any, ...]:
    """The operator's arguments and results, as far as paged attention has them; it refuses what the kernel does."""
    del rest
    if query.dtype not in (torch.float16, torch.bfloat16):
        raise RuntimeError("FlashAttention only support fp16 and bf16 data type")
    if key.shape[1] % PAGE_SIZE:
        raise RuntimeError(f"Paged KV cache block size must be divisible by {PAGE_SIZE}")
    if key.shape[3] != value.shape[3] or query.shape[2] % 8 or query.shape[2] > 256:
        raise RuntimeError("FlashAttention does not support these head dimensions")
    for name, tensor in {"begins": begins, **{n: options[n] for n in ("seqused_k", "block_table")}}.items():
        assert tensor.dtype == torch.int32, name
    attended = torch.empty_like(query)
    before = options["window_size_left"]
    for row, length in enumerate(options["seqused_k"].tolist()):
        begin, end = begins[row : row + 2].tolist()
        blocks = options["block_table"][row].long()
        keys, values = (pool[blocks].flatten(0, 1)[:length].float() for pool in (key, value))
        share = query.shape[1] // keys.shape[1]
        keys, values = (each.repeat_interleave(share, dim=1).transpose(0, 1) for each in (keys, values))
        scores = query[begin:end].float().transpose(0, 1) @ keys.transpose(1, 2) * options["scale"]
        places = torch.arange(length - (end - begin), length)[:, None]  # the last query sees the last key
        seen = torch.arange(length) <= places
        if before >= 0:
            seen &= torch.arange(length) >= places - before
        weights = scores.masked_fill(~seen, -math.inf).softmax(dim=-1)
        attended[begin:end] = (weights @ values).transpose(0, 1).to(query.dtype)
    nothing = query.new_empty(0)
    return attended, nothing, nothing, nothing, nothing
