"""Whether and how a graph embeds texts, told from the names and shapes of what it takes and gives.

The registry asks when a model is imported and a worker when it loads one, so that both say the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from panope_backends.api import TensorSpec
from panope_backends.errors import PreconditionError

#: Inputs that can be made from token ids.
TEXT_INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")

#: Outputs that hold one vector for each token, by the names that exporters give them.
TOKEN_OUTPUTS = ("last_hidden_state", "token_embeddings")

#: The output that sentence-transformers' exporters give one finished vector a text in.
SENTENCE_OUTPUT = "sentence_embedding"

#: The output of models of images and texts that gives one finished vector a text.
TEXT_OUTPUT = "text_embeds"

#: What such models give, and take beside texts.
IMAGE_TENSORS = ("pixel_values", "image_embeds", "pooler_output", "pred_boxes")

#: The output of models with the head of a sparse encoder: a value for each word of the vocabulary and text.
SPARSE_OUTPUT = "sparse_embedding"

#: The output of models whose vectors of tokens are a weighted mean of their layers', and what `ModelFacts.head` starts
#: with for them.
LAYERS_OUTPUT, LAYERS_HEAD = "weighted_hidden_state", "layers-"

#: The output that classifiers give their scores in, before any function of them.
LOGITS = "logits"

#: The outputs that other exporters give the starts and the ends of answers in.
SPAN_OUTPUTS = ("start_logits", "end_logits")

#: What transformers' configurations call the width of token vectors.
_WIDTHS = ("hidden_size", "d_model", "n_embd", "dim", "word_embed_proj_dim")


@dataclass(frozen=True)
class TextOutputs:
    """What of a graph's outputs embeds texts; one of the two is given at least.

    Attributes:
        tokens: one vector for each token; empty when there is none.
        sentence: one finished vector for each text; empty when there is none.
    """

    tokens: str
    sentence: str


@dataclass(frozen=True)
class TextShape:
    """The shape that a graph was exported with; 0 where it takes any.

    Attributes:
        batch: texts of a call.
        length: tokens of each.
    """

    batch: int = 0
    length: int = 0


def tensor_name(names: Collection[str], node: str) -> str:
    """By which of several names a tensor is called: tracing leaves numbers of its own beside the one that was meant.

    Args:
        names: that the graph has for the tensor.
        node: the name of the node that gives it, or takes it.
    """
    vectors = (*TOKEN_OUTPUTS, LAYERS_OUTPUT, SENTENCE_OUTPUT, TEXT_OUTPUT, SPARSE_OUTPUT)
    known = (*TEXT_INPUTS, *vectors, LOGITS, *SPAN_OUTPUTS, *IMAGE_TENSORS)
    return min(names, key=lambda name: (name not in known, name != node, name.isdigit(), name), default=node)


def text_shape(inputs: Sequence[TensorSpec]) -> TextShape:
    """The shape of all inputs.

    Raises:
        PreconditionError: texts do not give what the graph takes; the message names it.
    """
    names = [spec.name for spec in inputs]
    unknown = sorted(set(names) - set(TEXT_INPUTS))
    if unknown or "input_ids" not in names:
        raise PreconditionError(f"the graph takes {_listed(names)}; texts give only {_listed(TEXT_INPUTS)}")
    if other := next((spec for spec in inputs if len(spec.shape) != 2), None):
        raise PreconditionError(f"the graph's input `{other.name}` has {len(other.shape)} axes; texts give two")
    batch, length = (_common([spec.shape[axis] for spec in inputs]) for axis in (0, 1))
    if length and "attention_mask" not in names:
        raise PreconditionError(
            f"the graph takes {length} tokens and no attention_mask, so that shorter texts cannot be told from "
            "padding; export it with a free length"
        )
    return TextShape(batch, length)


def text_outputs(outputs: Sequence[TensorSpec], config: Mapping[str, Any]) -> TextOutputs:
    """The outputs that embed.

    Args:
        outputs: of the graph.
        config: the parsed config.json, whose widths tell token vectors from values for each word of the vocabulary.

    Raises:
        PreconditionError: none does, or it cannot be told which; the message names them.
    """
    candidates = [spec for spec in outputs if len(spec.shape) == 3 and not _is_logits(spec, config)]
    named = [spec.name for name in TOKEN_OUTPUTS for spec in candidates if spec.name == name]
    finished = (SENTENCE_OUTPUT, TEXT_OUTPUT)
    sentence = next((spec.name for spec in outputs if spec.name in finished and len(spec.shape) == 2), "")
    if named:
        return TextOutputs(named[0], sentence)
    width = _width(config)
    of_width = [spec.name for spec in candidates if not width or spec.shape[2] in (-1, width)]
    if len(of_width) == 1:
        return TextOutputs(of_width[0], sentence)
    if sentence:
        return TextOutputs("", sentence)
    raise PreconditionError(
        f"none of the graph's outputs ({', '.join(_shown(spec) for spec in outputs)}) is known to hold token vectors"
        + (f" of the width {width} that config.json tells" if width else "")
    )


def sparse_output(outputs: Sequence[TensorSpec]) -> str:
    """The output that holds sparse vectors.

    Raises:
        PreconditionError: there is none; the message names those that there are.
    """
    return _made_here(outputs, SPARSE_OUTPUT, axes=2, models="sparse encoders")


def layers_output(outputs: Sequence[TensorSpec]) -> str:
    """The output that holds a weighted mean of the layers' vectors of tokens.

    Raises:
        PreconditionError: there is none; the message names those that there are.
    """
    return _made_here(outputs, LAYERS_OUTPUT, axes=3, models="models with WeightedLayerPooling")


def _made_here(outputs: Sequence[TensorSpec], name: str, *, axes: int, models: str) -> str:
    if any(spec.name == name and len(spec.shape) == axes for spec in outputs):
        return name
    raise PreconditionError(
        f"none of the graph's outputs ({', '.join(_shown(spec) for spec in outputs)}) is `{name}`; graphs of {models} "
        "are made here, from safetensors"
    )


def logits_output(outputs: Sequence[TensorSpec], axes: int) -> str:
    """The output that classifies.

    Args:
        outputs: of the graph.
        axes: that it has: 2 for a row of labels a text, 3 for one a token.

    Raises:
        PreconditionError: there is none, or it cannot be told which; the message names them.
    """
    candidates = [spec.name for spec in outputs if len(spec.shape) == axes]
    named = [name for name in candidates if name == LOGITS]
    if len(named or candidates) == 1:
        return (named or candidates)[0]
    shown = ", ".join(_shown(spec) for spec in outputs)
    raise PreconditionError(f"none of the graph's outputs ({shown}) is known to hold `{LOGITS}` with {axes} axes")


def span_outputs(outputs: Sequence[TensorSpec]) -> tuple[str, ...]:
    """The output that tells of each token how well it starts and ends an answer, or the two that do.

    Args:
        outputs: of the graph.

    Raises:
        PreconditionError: there is none, or it cannot be told which; the message names them.
    """
    names = [spec.name for spec in outputs if len(spec.shape) == 2]
    if set(SPAN_OUTPUTS) <= set(names):
        return SPAN_OUTPUTS
    return (logits_output(outputs, 3),)


def _is_logits(spec: TensorSpec, config: Mapping[str, Any]) -> bool:
    """Whether it holds a value for each word of the vocabulary, or for each label."""
    if "logits" in spec.name.lower() or spec.name == "prediction_scores":
        return True
    last, vocabulary, width = spec.shape[2], config.get("vocab_size"), _width(config)
    return last == vocabulary and last != width


def _width(config: Mapping[str, Any]) -> int:
    """Of token vectors; 0 when the configuration does not tell."""
    return next((value for key in _WIDTHS if type(value := config.get(key)) is int and value > 0), 0)


def _common(sides: Sequence[int]) -> int:
    """The fixed side of an axis of which the inputs have one each; 0 for a free one."""
    fixed = {side for side in sides if side != -1}
    if len(fixed) > 1:
        raise PreconditionError("the graph's inputs are of different fixed shapes; texts give one")
    return next(iter(fixed), 0)


def _shown(spec: TensorSpec) -> str:
    return f"`{spec.name[:80]}` {['any' if side == -1 else side for side in spec.shape[:8]]}".replace("'", "")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name[:80] for name in names[:8]) + (" and more" if len(names) > 8 else "")
