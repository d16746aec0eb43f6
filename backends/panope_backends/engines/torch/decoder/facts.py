"""What is known of a decoder without its weights: whether it can be loaded, and how far it reaches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from panope_backends.api import Level, ModelFacts, Support
from panope_backends.engines.paging import paging_refusal
from panope_backends.engines.torch.pretrained import files_refusal
from panope_backends.engines.torch.rotations import growing_rotations, whole

AUTO_CLASS = "AutoModelForCausalLM"
IMAGE_TEXT_CLASS = "AutoModelForImageTextToText"
MULTIMODAL_CLASS = "AutoModelForMultimodalLM"
SOUND_CLASS = "AutoModelForSeq2SeqLM"
"""Of some decoders that hear, too."""

#: Types that keep their state outside of the cache that transformers gives sequences.
_STATE_ELSEWHERE = frozenset({"recurrent_gemma", "rwkv", "xlstm"})


def decoder_refusal(model: ModelFacts) -> str:
    """Why a model is not loaded as a decoder at all; empty when it may be."""
    if refusal := files_refusal(model, IMAGE_TEXT_CLASS if has_vision(model.config) else AUTO_CLASS):
        return refusal
    if model.config.get("is_encoder_decoder"):
        return "it has an encoder, and is no decoder alone"
    return ""


def rerun_reason(config: Mapping[str, Any]) -> str:
    """Why a decoder runs the whole text anew at each step, as far as that is known before; empty where it need not."""
    kind = config.get("model_type")
    if kind in _STATE_ELSEWHERE:
        return f"models of the type `{kind}` keep their state outside of the cache that transformers gives sequences"
    return ""


def has_vision(config: Mapping[str, Any]) -> bool:
    """Whether a model has a vision tower, by its config.json."""
    return isinstance(config.get("vision_config"), Mapping)


def max_positions(config: Any) -> int:
    """The most tokens of one sequence; 0 where the configuration does not tell.

    Rotary positions have no table that would end, so the configuration's word is the limit. Where they change with the
    longest text that runs, a sequence would depend on what runs beside it: such a model ends where the change begins.

    Args:
        config: the configuration as transformers has it, with the names that are the same for all.
    """
    text = config.get_text_config()
    limits = [whole(getattr(text, "max_position_embeddings", 0)), *growing_rotations(text)]
    return min((limit for limit in limits if limit), default=0)


def decoder_support(model: ModelFacts) -> Support:
    """Says from facts alone whether PyTorch runs a decoder, and how."""
    if refusal := decoder_refusal(model):
        return Support(Level.NONE, refusal)
    if reason := rerun_reason(model.config):
        return Support(Level.PARTIAL, f"PyTorch runs each text anew for each token: {reason}")
    if paging := paging_refusal(model.config):
        return Support(Level.PARTIAL, f"PyTorch runs its sequences one after another: {paging}")
    return Support(Level.FULL, "PyTorch runs the decoder with paged attention")
