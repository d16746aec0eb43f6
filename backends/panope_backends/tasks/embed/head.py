"""The steps after pooling: sentence-transformers' Dense, LayerNorm and Normalize, in float32.

They take vectors of any number of axes, the last of which holds the values: those of texts, or of tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.errors import PreconditionError
from panope_backends.tasks.embed.activations import activation_of
from panope_backends.tasks.embed.auto_encoder import OF_TRAINING, auto_encoder
from panope_backends.tasks.embed.files.modules_file import AUTO_ENCODER, LAYER_POOLING, PROJECTION, HeadStep
from panope_backends.tasks.embed.files.sentence_files import (
    AutoEncoderFile,
    DenseFile,
    LayerNormFile,
    read_auto_encoder,
)
from panope_backends.tasks.embed.layer_pooling import layer_weights, read_layer_pooling
from panope_backends.tasks.embed.step_weights import PICKLED, SAFE, read_projection, read_step_weights, require_width
from panope_backends.tasks.embed.word_steps import WORD_STEPS, Words, WordStep, check_word_step, load_word_step
from panope_backends.tasks.json_files import read_typed, shown

Floats = NDArray[np.float32]
Step = Callable[[Floats], Floats]
Weights = Mapping[str, Floats]

#: As torch.nn.functional.normalize.
_LEAST_LENGTH = np.float32(1e-12)

#: As torch.nn.LayerNorm.
_LEAST_VARIANCE = np.float32(1e-5)


def normalize(vectors: Floats) -> Floats:
    """The vectors scaled to length 1; a zero vector stays zero."""
    lengths = np.sqrt(np.einsum("...j,...j->...", vectors, vectors))
    scaled: Floats = vectors / np.maximum(lengths, _LEAST_LENGTH)[..., None]
    return scaled


def load_head(steps: Sequence[HeadStep], *, pickles: bool = False) -> list[Step]:
    """Loads the steps after pooling.

    Args:
        steps: to load.
        pickles: whether an admin lets pickled weights be opened.

    Raises:
        PreconditionError: a step asks for what Panope cannot do, or its weights are missing, are not its own, or may
            not be opened.
    """
    return [_load(step, pickles) for step in steps]


def load_token_steps(steps: Sequence[HeadStep], *, pickles: bool = False) -> list[WordStep]:
    """Loads the steps before pooling.

    Args:
        steps: to load.
        pickles: as of `load_head`.

    Raises:
        PreconditionError: as `load_head`.
    """
    return [
        load_word_step(step, pickles=pickles) if step.kind in WORD_STEPS else _of_tokens(_load(step, pickles))
        for step in steps
    ]


def _of_tokens(step: Step) -> WordStep:
    """A step that looks at each vector by itself."""

    def run(vectors: Floats, _: Words) -> Floats:
        return step(vectors)

    return run


def check_head(steps: Sequence[HeadStep], *, pickles: bool = False) -> None:
    """Checks what can be told of the steps without opening a pickle.

    Raises:
        PreconditionError: as `load_head`.
    """
    for step in steps:
        if step.kind == PROJECTION:
            continue  # among the model's own weights, which the load checks
        is_pickled = (step.folder / PICKLED).is_file() and not (step.folder / SAFE).is_file()
        _check(step, pickles, loads=not (is_pickled and pickles))


def _check(step: HeadStep, pickles: bool, *, loads: bool) -> None:
    if step.kind in WORD_STEPS:
        check_word_step(step)
        if loads:
            load_word_step(step)
    elif step.kind == LAYER_POOLING:
        layer_weights(step, pickles=pickles) if loads else read_layer_pooling(step)
    elif loads:
        _load(step, pickles)
    else:
        _FILES[step.kind](step)


def _load(step: HeadStep, pickles: bool) -> Step:
    if step.kind == "Normalize":
        return normalize
    if step.kind == PROJECTION:
        weights = {"linear.weight": read_projection(step.folder, pickles=pickles)}
        return _dense(DenseFile(bias=False, activation_function="torch.nn.modules.linear.Identity"), weights, "ColBERT")
    file = _FILES[step.kind](step)
    unread = OF_TRAINING if step.kind == AUTO_ENCODER else ()
    weights = read_step_weights(step.folder, step.kind, pickles=pickles, unread=unread)
    return _STEPS[step.kind](file, weights, step.folder.name)


def _dense_file(step: HeadStep) -> DenseFile:
    file = read_typed(step.folder / "config.json", DenseFile)
    given = file.module_input_name or step.usual
    for key, value in (("module_input_name", given), ("module_output_name", file.module_output_name)):
        if value not in (None, step.vectors):
            raise PreconditionError(
                f"a Dense module asks for the {key} `{shown(value)}`; Panope runs `{step.vectors}` there"
            )
    activation_of(file.activation_function)
    return file


def _auto_encoder_file(step: HeadStep) -> AutoEncoderFile:
    return read_auto_encoder(step.folder)


def _layer_norm_file(step: HeadStep) -> LayerNormFile:
    return read_typed(step.folder / "config.json", LayerNormFile)


def _dense(file: DenseFile, weights: Weights, folder: str) -> Step:
    if "linear.weight" not in weights or weights["linear.weight"].ndim != 2:
        raise PreconditionError("the weights of a Dense module have no `linear.weight`")
    if file.bias != ("linear.bias" in weights):
        raise PreconditionError(
            f"{folder}/config.json sets `bias` to {file.bias}, and the module's weights do not fit that"
        )
    out_features, in_features = weights["linear.weight"].shape
    for key, stated, found in (
        ("in_features", file.in_features, in_features),
        ("out_features", file.out_features, out_features),
    ):
        if stated not in (None, found):
            raise PreconditionError(f"{folder}/config.json has {stated:,} as `{key}`; the module's weights {found:,}")
    weight = np.ascontiguousarray(weights["linear.weight"].T)
    bias = weights.get("linear.bias", np.zeros(1, np.float32))
    if bias.shape not in ((1,), (out_features,)):
        raise PreconditionError(f"`linear.bias` in {folder} is not of {out_features:,} values")
    activation, around = activation_of(file.activation_function), _residual(file, weights, folder)

    def step(vectors: Floats) -> Floats:
        require_width(vectors, in_features, folder)
        return around(vectors, activation(vectors @ weight + bias))

    return step


def _residual(file: DenseFile, weights: Weights, folder: str) -> Callable[[Floats, Floats], Floats]:
    """What is added to a Dense module's result."""
    if not file.use_residual:
        return lambda _, result: result
    shape = weights["linear.weight"].shape
    if shape[0] == shape[1]:
        return lambda vectors, result: result + vectors
    if weights.get("residual.weight", np.zeros(0)).shape != shape:
        raise PreconditionError(f"{folder}/config.json sets `use_residual`, and `residual.weight` does not fit that")
    residual = np.ascontiguousarray(weights["residual.weight"].T)
    return lambda vectors, result: result + vectors @ residual


def _layer_norm(file: LayerNormFile, weights: Weights, folder: str) -> Step:
    if {"norm.weight", "norm.bias"} - set(weights):
        raise PreconditionError("the weights of a LayerNorm module have no `norm.weight` and `norm.bias`")
    scale, shift = weights["norm.weight"], weights["norm.bias"]
    for name in ("norm.weight", "norm.bias"):
        if weights[name].shape != (file.dimension,):
            raise PreconditionError(f"`{name}` in {folder} is not of {file.dimension:,} values, as config.json has it")

    def step(vectors: Floats) -> Floats:
        require_width(vectors, file.dimension, folder)
        centred = vectors - vectors.mean(axis=-1, keepdims=True)
        variance = np.square(centred).mean(axis=-1, keepdims=True)
        scaled: Floats = centred / np.sqrt(variance + _LEAST_VARIANCE) * scale + shift
        return scaled

    return step


_FILES: dict[str, Callable[[HeadStep], Any]] = {
    "Dense": _dense_file,
    "LayerNorm": _layer_norm_file,
    AUTO_ENCODER: _auto_encoder_file,
}

_STEPS: dict[str, Callable[[Any, Weights, str], Step]] = {
    "Dense": _dense,
    "LayerNorm": _layer_norm,
    AUTO_ENCODER: auto_encoder,
}
