"""Whether OpenVINO runs an encoder-decoder, from facts alone."""

from __future__ import annotations

from panope_backends.api import ModelFacts
from panope_backends.engines.torch.encoder_decoder import facts


def encoder_decoder_refusal(model: ModelFacts) -> str:
    """Why a model is not converted or run; empty when it may be, which its proof then shows."""
    if refusal := facts.encoder_decoder_refusal(model):
        return refusal
    if model.config.get("model_type") == "nllb-moe":
        return "models of the type `nllb-moe` choose experts in a way that no graph has"
    if model.task == facts.TRANSCRIBE and facts.reads_both(model.config):
        return "its encoder places each moment by how far it is from the others, and a graph has one length's distances"
    return ""
