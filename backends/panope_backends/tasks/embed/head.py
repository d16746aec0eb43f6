"""The steps after pooling: sentence-transformers' Dense, LayerNorm and Normalize, in float32."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from panope_backends.errors import PreconditionError
from panope_backends.tasks.embed.config_files import HeadStep
from panope_backends.tasks.embed.sentence_files import DenseFile, LayerNormFile
from panope_backends.tasks.json_files import read_json, shown, typed

Floats = NDArray[np.float32]
Step = Callable[[Floats], Floats]

#: As torch.nn.functional.normalize.
_LEAST_LENGTH = np.float32(1e-12)

#: As torch.nn.LayerNorm.
_LEAST_VARIANCE = np.float32(1e-5)


def normalize(vectors: Floats) -> Floats:
    """The vectors scaled to length 1; a zero vector stays zero."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    scaled: Floats = vectors / np.maximum(lengths, _LEAST_LENGTH)[:, None]
    return scaled


def load_head(steps: Sequence[HeadStep]) -> list[Step]:
    """Loads the steps after pooling.

    Raises:
        PreconditionError: a step asks for what Panope cannot do, or its weights are not safetensors.
    """
    return [_STEPS[step.kind](step.folder) for step in steps]


def _normalize(folder: Path) -> Step:
    del folder  # it has no weights
    return normalize


def _dense(folder: Path) -> Step:
    name = f"{folder.name}/config.json"
    file = typed(read_json(folder / "config.json"), DenseFile, name)
    for key, value in (("module_input_name", file.module_input_name), ("module_output_name", file.module_output_name)):
        if value != "sentence_embedding":
            raise PreconditionError(
                f"a Dense module asks for the {key} `{shown(value)}`; Panope runs `sentence_embedding`"
            )
    activation = _activation(file.activation_function)
    weights = _read_weights(folder / "model.safetensors", "Dense")
    if "linear.weight" not in weights:
        raise PreconditionError("the weights of a Dense module have no `linear.weight`")
    if file.bias != ("linear.bias" in weights):
        raise PreconditionError(f"{name} sets `bias` to {file.bias}, and the module's weights do not fit that")
    weight = np.ascontiguousarray(weights["linear.weight"].T)
    bias = weights.get("linear.bias", np.zeros(1, np.float32))
    if not file.use_residual:
        return lambda vectors: activation(vectors @ weight + bias)
    residual = np.ascontiguousarray(weights["residual.weight"].T) if "residual.weight" in weights else None
    return lambda vectors: activation(vectors @ weight + bias) + (vectors if residual is None else vectors @ residual)


def _layer_norm(folder: Path) -> Step:
    typed(read_json(folder / "config.json"), LayerNormFile, f"{folder.name}/config.json")
    weights = _read_weights(folder / "model.safetensors", "LayerNorm")
    if {"norm.weight", "norm.bias"} - set(weights):
        raise PreconditionError("the weights of a LayerNorm module have no `norm.weight` and `norm.bias`")
    scale, shift = weights["norm.weight"], weights["norm.bias"]

    def step(vectors: Floats) -> Floats:
        centred = vectors - vectors.mean(axis=1, keepdims=True)
        variance = np.square(centred).mean(axis=1, keepdims=True)
        scaled: Floats = centred / np.sqrt(variance + _LEAST_VARIANCE) * scale + shift
        return scaled

    return step


def _read_weights(path: Path, kind: str) -> dict[str, Floats]:
    from safetensors import SafetensorError, deserialize  # few models need it, every start would pay

    if not path.is_file():
        raise PreconditionError(
            f"a {kind} module has no model.safetensors; other formats can run code and are not read"
        )
    try:
        tensors = deserialize(path.read_bytes())  # type: ignore[no-untyped-call] # it ships without types
    except SafetensorError:
        raise PreconditionError(f"the model.safetensors of a {kind} module is broken") from None
    return {name: _as_float32(kind, name, tensor["dtype"], tensor["data"], tensor["shape"]) for name, tensor in tensors}


def _as_float32(kind: str, name: str, dtype: str, data: bytes, shape: Sequence[int]) -> Floats:
    if dtype == "BF16":
        # The upper half of a float32.
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32).reshape(shape)
    known = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
    if dtype not in known:
        raise PreconditionError(f"`{name}` of a {kind} module has the type {dtype}")
    return np.frombuffer(data, known[dtype]).astype(np.float32).reshape(shape)


def _activation(name: str) -> Step:
    step = _ACTIVATIONS.get(name.removeprefix("torch.nn.modules.").removeprefix("torch.nn."))
    if step is None or not name.startswith("torch.nn."):
        known = ", ".join(sorted(key.rpartition(".")[2] for key in _ACTIVATIONS))
        raise PreconditionError(f"a Dense module asks for the activation `{shown(name)}`; Panope runs {known}")
    return step


def _sigmoid(values: Floats) -> Floats:
    # By tanh, which does not overflow.
    half = np.float32(0.5)
    result: Floats = half * (np.tanh(half * values) + np.float32(1))
    return result


def _gelu(values: Floats) -> Floats:
    erf = np.frompyfunc(math.erf, 1, 1)(values / math.sqrt(2)).astype(np.float32)
    result: Floats = np.float32(0.5) * values * (np.float32(1) + erf)
    return result


#: By the class's place below torch.nn.modules.
_ACTIVATIONS: dict[str, Step] = {
    "linear.Identity": lambda values: values,
    "activation.Tanh": np.tanh,
    "activation.ReLU": lambda values: np.maximum(values, np.float32(0)),
    "activation.Sigmoid": _sigmoid,
    "activation.SiLU": lambda values: values * _sigmoid(values),
    "activation.GELU": _gelu,
}

_STEPS: dict[str, Callable[[Path], Step]] = {"Dense": _dense, "LayerNorm": _layer_norm, "Normalize": _normalize}
