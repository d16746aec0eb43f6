"""Loads a decoder of transformers with its head: token ids in, logits out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from panope_backends.api import ModelFacts
from panope_backends.engines.torch.decoder.facts import (
    AUTO_CLASS,
    IMAGE_TEXT_CLASS,
    MULTIMODAL_CLASS,
    SOUND_CLASS,
    decoder_refusal,
    has_vision,
)
from panope_backends.engines.torch.pretrained import load_pretrained
from panope_backends.errors import PreconditionError
from panope_backends.model_facts.image_models import architecture_of

LOGITS_TOLERANCE = {"fp32": 1e-3, "bf16": 0.1, "fp16": 0.05}
"""How far logits of the same tokens may differ from each other in a trial at loading, as a part of the largest."""


def load_decoder(
    model: ModelFacts, folder: Path, precision: str, attention: str | None, *, vision: bool = False, parts: int = 1
) -> Any:
    """Loads a decoder, ready to run.

    Args:
        model: what is known of it.
        folder: its files.
        precision: that its weights are brought to.
        attention: transformers' name for a way to compute attention; None for the fastest that the model has. A vision
            tower that is loaded too has the fastest in any case.
        vision: whether the vision tower of a model that has one is loaded too.
        parts: that the model is divided into, of which this process loads its own; 1 for a whole model.

    Raises:
        PreconditionError: as `load_pretrained`, or it is no decoder.
    """
    if refusal := decoder_refusal(model):
        raise PreconditionError(f"the model cannot be loaded: {refusal}", reason="unsupported_model")
    if not (vision and sees_images(model)):
        return load_pretrained(model, folder, precision, _auto_class(model), attention, parts=parts)
    of_decoder = None if attention is None else {"text_config": attention}
    return load_pretrained(model, folder, precision, IMAGE_TEXT_CLASS, of_decoder)


def _auto_class(model: ModelFacts) -> str:
    """The one of transformers' auto classes that loads a model to answer texts, which it may do beside other inputs.

    Where a type has classes of several, it is that of the class that config.json names.
    """
    from transformers.models.auto import modeling_auto

    kind = model.config.get("model_type")
    known = {
        AUTO_CLASS: modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MULTIMODAL_CLASS: modeling_auto.MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES,
        SOUND_CLASS: modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
        IMAGE_TEXT_CLASS: modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
    }
    having = {auto_class: names[kind] for auto_class, names in known.items() if kind in names}
    named = architecture_of(model.config)
    return next((each for each, name in having.items() if name == named), next(iter(having), AUTO_CLASS))


def sees_images(model: ModelFacts) -> bool:
    """Whether transformers has the model's type among those that see images."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

    return has_vision(model.config) and model.config.get("model_type") in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES


def vocab_size_of(module: Any) -> int:
    """The columns of its logits.

    Raises:
        PreconditionError: the table of tokens has fewer rows, so that not every one of those tokens can be read.
    """
    head, table = module.get_output_embeddings(), module.get_input_embeddings()
    # Some types say nothing of their head, and their configuration of its columns.
    columns = int(module.config.get_text_config().vocab_size if head is None else head.weight.shape[0])
    rows = int(table.weight.shape[0])
    if rows < columns:
        raise PreconditionError(
            f"the model has logits of {columns:,} tokens and vectors of {rows:,}", reason="unsupported_model"
        )
    return columns
