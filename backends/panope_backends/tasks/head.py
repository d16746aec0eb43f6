"""The steps after pooling: sentence-transformers' Dense and Normalize, in float32."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from panope_backends.errors import PreconditionError
from panope_backends.tasks.files import HeadStep, read_json

Floats = NDArray[np.float32]
Step = Callable[[Floats], Floats]

#: As torch.nn.functional.normalize.
_LEAST_LENGTH = np.float32(1e-12)


def normalize(vectors: Floats) -> Floats:
    """The vectors scaled to length 1; a zero vector stays zero."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    scaled: Floats = vectors / np.maximum(lengths, _LEAST_LENGTH)[:, None]
    return scaled


def load_head(steps: Sequence[HeadStep]) -> list[Step]:
    """Loads the steps after pooling.

    Raises:
        PreconditionError: a Dense step asks for what Panope cannot do, or its weights are not safetensors.
    """
    return [normalize if step.kind == "Normalize" else _dense(step.folder) for step in steps]


def _dense(folder: Path) -> Step:
    config = read_json(folder / "config.json")
    for key, only in (("module_input_name", "sentence_embedding"), ("module_output_name", "sentence_embedding")):
        if (config.get(key) or only) != only:
            raise PreconditionError(f"a Dense module asks for the {key} `{config[key]}`; Panope runs `{only}`")
    activation = _activation(str(config.get("activation_function", "torch.nn.modules.activation.Tanh")))
    weights = _read_weights(folder / "model.safetensors")
    if "linear.weight" not in weights:
        raise PreconditionError("the weights of a Dense module have no `linear.weight`")
    weight = np.ascontiguousarray(weights["linear.weight"].T)
    bias = weights.get("linear.bias", np.zeros(1, np.float32))
    if not config.get("use_residual"):
        return lambda vectors: activation(vectors @ weight + bias)
    residual = np.ascontiguousarray(weights["residual.weight"].T) if "residual.weight" in weights else None
    return lambda vectors: activation(vectors @ weight + bias) + (vectors if residual is None else vectors @ residual)


def _read_weights(path: Path) -> dict[str, Floats]:
    from safetensors import SafetensorError, deserialize  # few models need it, every start would pay

    if not path.is_file():
        raise PreconditionError("a Dense module has no model.safetensors; other formats can run code and are not read")
    try:
        tensors = deserialize(path.read_bytes())  # type: ignore[no-untyped-call] # it ships without types
    except SafetensorError:
        raise PreconditionError("the model.safetensors of a Dense module is broken") from None
    return {name: _as_float32(name, tensor["dtype"], tensor["data"], tensor["shape"]) for name, tensor in tensors}


def _as_float32(name: str, dtype: str, data: bytes, shape: Sequence[int]) -> Floats:
    if dtype == "BF16":
        # The upper half of a float32.
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32).reshape(shape)
    known = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
    if dtype not in known:
        raise PreconditionError(f"`{name}` of a Dense module has the type {dtype}")
    return np.frombuffer(data, known[dtype]).astype(np.float32).reshape(shape)


def _activation(name: str) -> Step:
    step = _ACTIVATIONS.get(name.removeprefix("torch.nn.modules.").removeprefix("torch.nn."))
    if step is None or not name.startswith("torch.nn."):
        known = ", ".join(sorted(key.rpartition(".")[2] for key in _ACTIVATIONS))
        raise PreconditionError(f"a Dense module asks for the activation `{name}`; Panope runs {known}")
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
