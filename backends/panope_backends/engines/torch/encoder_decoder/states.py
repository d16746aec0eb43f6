"""What an encoder gives, in the form in which transformers' models take it."""

from __future__ import annotations

from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutput


class EncoderStates(BaseModelOutput):  # type: ignore[misc]  # transformers' types are not read (see pyproject.toml)
    """The states alone: models with experts look for what chose these, those of speech for a mask, and find none."""

    router_logits: Any = None
    attention_mask: Any = None


def blank_states(module: Any, length: int = 1) -> EncoderStates:
    """Zeros in the place of what an encoder gives, where nothing depends on it.

    Args:
        module: an encoder-decoder.
        length: of the source.
    """
    zeros = torch.zeros(1, length, int(module.config.hidden_size), dtype=module.dtype, device=module.device)
    return EncoderStates(last_hidden_state=zeros)
