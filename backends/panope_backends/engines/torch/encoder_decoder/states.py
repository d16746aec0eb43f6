"""What an encoder gives, in the form in which transformers' models take it."""

from __future__ import annotations

from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutput

from panope_backends.engines.torch.encoder_decoder.facts import states_width


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
    zeros = torch.zeros(1, length, states_width(module.config), dtype=module.dtype, device=module.device)
    return EncoderStates(last_hidden_state=zeros)
