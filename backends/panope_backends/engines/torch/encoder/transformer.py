"""Loads a transformers model by its configuration: the base model, or the model with the head that its task needs.

Used by the cpu engine to run it and by the openvino engine to convert it, so that both give the same names:
`input_ids`, `attention_mask` and, where the model tells segments apart, `token_type_ids` (int64, batch × tokens), and
in float32

    embed                `last_hidden_state`  batch × tokens × hidden size
                         `weighted_hidden_state`  the same, of all layers (`ModelFacts.head`)
                         `sparse_embedding`   batch × vocabulary, with a sparse encoder's head (`ModelFacts.head`)
    classify, rerank     `logits`             batch × labels
    token-classify       `logits`             batch × tokens × labels
    question-answer      `logits`             batch × tokens × 2: of starting an answer, and of ending one
    fill-mask            `logits`             batch × tokens × vocabulary
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from panope_backends.api import Level, ModelFacts, Support
from panope_backends.engines.torch.encoder.layer_mean import with_layer_mean
from panope_backends.engines.torch.encoder.splade import PREFIX, with_splade
from panope_backends.engines.torch.pretrained import files_refusal, load_pretrained, unknown_type
from panope_backends.engines.torch.static_embedding import is_static, load_static, static_support
from panope_backends.errors import PreconditionError
from panope_backends.model_facts.routers import ROUTER
from panope_backends.model_facts.text_graphs import LAYERS_HEAD, LAYERS_OUTPUT, SPARSE_OUTPUT
from panope_backends.model_facts.weights_support import decoder_of
from panope_backends.model_facts.word_tables import ON_CPU_ALONE, is_word_table


@dataclass(frozen=True)
class Head:
    """What a task runs of a model.

    Attributes:
        auto_class: the one of transformers' auto classes that loads it.
        suffixes: of the names of its classes; none where any will do.
        output: its name for what it gives.
    """

    auto_class: str
    suffixes: tuple[str, ...]
    output: str


#: Loads a base model; code for other auto classes, such as a head's, is not asked for.
_BASE = Head("AutoModel", (), "last_hidden_state")
_LAYERS = Head("AutoModel", (), LAYERS_OUTPUT)
_SPARSE = Head("AutoModelForMaskedLM", ("ForMaskedLM",), SPARSE_OUTPUT)
_TEXTS = Head("AutoModelForSequenceClassification", ("ForSequenceClassification",), "logits")
_TOKENS = Head("AutoModelForTokenClassification", ("ForTokenClassification",), "logits")
# The later ones are those of XLM and its kin.
_SPANS = Head("AutoModelForQuestionAnswering", ("ForQuestionAnswering", "ForQuestionAnsweringSimple"), "logits")
_WORDS = Head("AutoModelForMaskedLM", ("ForMaskedLM", "WithLMHeadModel"), "logits")

#: What loads a base model.
_ENCODERS = (_BASE, _LAYERS)

#: Tasks that transformers' models run here.
_HEADS = {
    "": _BASE,
    "embed": _BASE,
    "classify": _TEXTS,
    "rerank": _TEXTS,
    "token-classify": _TOKENS,
    "question-answer": _SPANS,
    "fill-mask": _WORDS,
}


def transformer_support(model: ModelFacts) -> Support:
    """Says from facts alone whether `load_transformer` can work; transformers is imported for odd ones alone."""
    if is_word_table(model):
        return Support(Level.NONE, ON_CPU_ALONE, is_final=True)
    head = _head_of(model)
    if head is None:
        known = ", ".join(f"`{task}`" for task in _HEADS if task)
        return Support(Level.NONE, f"safetensors run for the tasks {known}, not for `{model.task}`")
    if is_static(model) and head is _BASE:
        return static_support(model)
    if model.architecture == ROUTER:
        return _routed_support(model)
    if refusal := files_refusal(model, head.auto_class):
        return Support(Level.NONE, refusal, is_final=bool(unknown_type(model)))
    if head not in _ENCODERS:
        return _head_support(model, head)
    if model.config.get("is_encoder_decoder") and model.task != "embed":
        return Support(Level.NONE, "encoder-decoder models need a decoder's inputs")
    if decoder := decoder_of(model.config):
        return Support(Level.NONE, decoder)
    return Support(Level.FULL, "transformers runs the base model")


def _routed_support(model: ModelFacts) -> Support:
    """Of a model whose routes have encoders of their own, each of which is loaded as what it is."""
    if model.format != "safetensors":
        refusal = f"a {ROUTER} of several encoders is run from safetensors, not from `{model.format}`"
        return Support(Level.NONE, refusal, is_final=True)
    return Support(Level.FULL, "transformers runs the encoders of its routes")


def _head_of(model: ModelFacts) -> Head | None:
    if model.task == "embed" and model.head.startswith(PREFIX):
        return _SPARSE
    return _LAYERS if model.task == "embed" and model.head.startswith(LAYERS_HEAD) else _HEADS.get(model.task)


def _head_support(model: ModelFacts, head: Head) -> Support:
    named = model.config.get("architectures")
    architecture = str(named[0]) if isinstance(named, list) and named else model.architecture
    # Another head's weights would leave this one's to chance.
    if not architecture.endswith(head.suffixes):
        what = f"a class whose name ends in `{head.suffixes[0]}`"
        return Support(Level.NONE, f"`{model.task}` needs {what}; config.json names `{architecture[:64]}`")
    return Support(Level.FULL, "transformers runs the model with its head")


def load_transformer(
    model: ModelFacts, folder: Path, precision: str, attention: str | None = None
) -> tuple[Any, tuple[str, ...], str]:
    """Loads what the model's task runs, ready to run.

    Args:
        model: what is known of it.
        folder: its files.
        precision: `fp32` or `bf16`, which the weights are brought to.
        attention: transformers' name for a way to compute attention; None for the fastest that the model has.

    Returns:
        The torch module, the names of its inputs, and of its output.

    Raises:
        PreconditionError: the architecture is unknown, needs code of its own, or weights are missing or of another
            shape than the configuration says.
    """
    support = transformer_support(model)
    if support.level is Level.NONE:
        raise PreconditionError(f"the model cannot be loaded: {support.reason}", reason="unsupported_model")
    head = _head_of(model) or _BASE
    if is_static(model) and head is _BASE:
        return load_static(folder, precision), ("input_ids",), head.output
    if head in _ENCODERS:
        auto_class = "AutoModelForTextEncoding" if model.config.get("is_encoder_decoder") else head.auto_class
        # The pooler is no part of what is run.
        module = load_pretrained(model, folder, precision, auto_class, attention, may_lack="pooler")
    else:
        module = load_pretrained(model, folder, precision, head.auto_class, attention)
    names = _input_names(module)
    if head is _LAYERS:
        return with_layer_mean(module, model.head), names, head.output
    if head is _SPARSE:
        return with_splade(module, model.head), names, head.output
    if head is _SPANS:
        from panope_backends.engines.torch.encoder.spans import SpansInOne  # it brings torch

        module = SpansInOne(module).eval()
    return module, names, head.output


def _input_names(module: Any) -> tuple[str, ...]:
    names = ["input_ids", "attention_mask"]
    takes = inspect.signature(module.forward).parameters
    # RoBERTa's kin take token types and have one only; their tokenizers give none. BigBird's answers make their own.
    has_types = "token_type_ids" in takes and getattr(module.config, "type_vocab_size", 0) > 1
    if has_types and "question_lengths" not in takes:
        names.append("token_type_ids")
    return tuple(names)
