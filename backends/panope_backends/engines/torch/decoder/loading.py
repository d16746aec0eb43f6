"""Loads a decoder of transformers with its head: token ids in, logits out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from panope_backends.api import ModelFacts
from panope_backends.engines.torch.decoder.facts import AUTO_CLASS, decoder_refusal
from panope_backends.engines.torch.pretrained import load_pretrained
from panope_backends.errors import PreconditionError

LOGITS_TOLERANCE = {"fp32": 1e-3, "bf16": 0.1, "fp16": 0.05}
"""How far logits of the same tokens may differ from each other in a trial at loading, as a part of the largest."""


def load_decoder(model: ModelFacts, folder: Path, precision: str, attention: str | None) -> Any:
    """Loads a decoder, ready to run.

    Args:
        model: what is known of it.
        folder: its files.
        precision: that its weights are brought to.
        attention: transformers' name for a way to compute attention; None for the fastest that the model has.

    Raises:
        PreconditionError: as `load_pretrained`, or it is no decoder.
    """
    if refusal := decoder_refusal(model):
        raise PreconditionError(f"the model cannot be loaded: {refusal}", reason="unsupported_model")
    return load_pretrained(model, folder, precision, AUTO_CLASS, attention)


def vocab_size_of(module: Any) -> int:
    """The columns of its logits.

    Raises:
        PreconditionError: the table of tokens has fewer rows, so that not every one of those tokens can be read.
    """
    head, table = module.get_output_embeddings(), module.get_input_embeddings()
    columns, rows = int(head.weight.shape[0]), int(table.weight.shape[0])
    if rows < columns:
        raise PreconditionError(
            f"the model has logits of {columns:,} tokens and vectors of {rows:,}", reason="unsupported_model"
        )
    return columns
