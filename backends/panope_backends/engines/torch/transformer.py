"""Loads a transformers model's base model, by its configuration.

Used by the cpu engine to run it and by the openvino engine to convert it, so that both give the same names:
`input_ids`, `attention_mask` and, where the model tells segments apart, `token_type_ids` (int64, batch × tokens), and
`last_hidden_state` (float32, batch × tokens × hidden size).
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from panope_backends.api import Level, ModelFacts, Support
from panope_backends.engines.torch.pretrained import files_refusal, load_pretrained, unknown_type
from panope_backends.errors import PreconditionError
from panope_backends.weights_support import decoder_of

OUTPUT = "last_hidden_state"

#: Loads a base model; code for other auto classes, such as a head's, is not asked for.
_AUTO_CLASS = "AutoModel"

#: Tasks that work from hidden states; the others need a head that the base model leaves out.
_HEADLESS_TASKS = ("", "embed")


def transformer_support(model: ModelFacts) -> Support:
    """Says from facts alone whether `load_transformer` can work; transformers is imported for odd ones alone."""
    if model.task not in _HEADLESS_TASKS:
        return Support(Level.NONE, f"safetensors run for the task `embed`, not yet for `{model.task}`")
    if refusal := files_refusal(model, _AUTO_CLASS):
        return Support(Level.NONE, refusal, is_final=bool(unknown_type(model)))
    if model.config.get("is_encoder_decoder") and model.task != "embed":
        return Support(Level.NONE, "encoder-decoder models need a decoder's inputs")
    if decoder := decoder_of(model.config):
        return Support(Level.NONE, decoder)
    return Support(Level.FULL, "transformers runs the base model")


def load_transformer(
    model: ModelFacts, folder: Path, precision: str, attention: str | None = None
) -> tuple[Any, tuple[str, ...]]:
    """Loads the base model, ready to run.

    Args:
        model: what is known of it.
        folder: its files.
        precision: `fp32` or `bf16`, which the weights are brought to.
        attention: transformers' name for a way to compute attention; None for the fastest that the model has.

    Returns:
        The torch module and the names of its inputs.

    Raises:
        PreconditionError: the architecture is unknown, needs code of its own, or weights are missing or of another
            shape than the configuration says.
    """
    support = transformer_support(model)
    if support.level is Level.NONE:
        raise PreconditionError(f"the model cannot be loaded: {support.reason}", reason="unsupported_model")
    auto_class = "AutoModelForTextEncoding" if model.config.get("is_encoder_decoder") else _AUTO_CLASS
    module = load_pretrained(model, folder, precision, auto_class, attention)
    return module, _input_names(module)


def _input_names(module: Any) -> tuple[str, ...]:
    names = ["input_ids", "attention_mask"]
    # RoBERTa's kin take token types and have one only; their tokenizers give none.
    if "token_type_ids" in inspect.signature(module.forward).parameters and (
        getattr(module.config, "type_vocab_size", 0) > 1
    ):
        names.append("token_type_ids")
    return tuple(names)
