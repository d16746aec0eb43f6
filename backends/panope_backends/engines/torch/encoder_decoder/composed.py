"""What models of two others need before they run: TrOCR's decoder was written for another transformers.

Its tables of sines are no buffers, so `from_pretrained` leaves them on the device "meta"; and its attention computes by
itself what BART's, of which it was copied, leaves to transformers' attention functions.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from panope_backends.api import ModelFacts
from panope_backends.engines.torch.encoder_decoder.facts import auto_class, decoder_config
from panope_backends.engines.torch.pretrained import load_pretrained

#: Modules that compute attention by themselves -> those of the same weights that do not.
_REWRITTEN = {"TrOCRAttention": ("transformers.models.bart.modeling_bart", "BartAttention")}


def load_module(model: ModelFacts, folder: Path, precision: str, attention: str | None = None) -> Any:
    """An encoder-decoder of transformers, with all of its tables; raises as `load_pretrained`."""
    module = load_pretrained(model, folder, precision, auto_class(model), attention)
    for part in module.modules():
        if hasattr(part, "get_embedding") and getattr(getattr(part, "weights", None), "is_meta", False):
            part.weights = None  # it is made at the first run
    return module


def rewrite_attention(module: Any) -> None:
    """Lets the decoder's attention be computed by transformers' functions, which may be Panope's."""
    for part in module.get_decoder().modules():
        if (found := _REWRITTEN.get(type(part).__name__)) is not None:
            part.__class__ = getattr(import_module(found[0]), found[1])
            part.config = decoder_config(module.config)
