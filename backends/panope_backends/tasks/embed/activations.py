"""torch's activations without settings or weights of their own, as Dense modules name them, in float32."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from panope_backends.errors import PreconditionError
from panope_backends.tasks.json_files import shown

Floats = NDArray[np.float32]
Activation = Callable[[Floats], Floats]

_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)

#: SELU's two constants, as torch has them.
_SELU_ALPHA, _SELU_SCALE = np.float32(1.6732632423543772), np.float32(1.0507009873554805)

_PLACES = ("torch.nn.modules.activation.", "torch.nn.modules.linear.", "torch.nn.")


def activation_of(name: str) -> Activation:
    """The function of a class of torch.nn.

    Raises:
        PreconditionError: it is none of torch's, or one with settings that no file holds.
    """
    place = next((place for place in _PLACES if name.startswith(place)), "")
    found = _ACTIVATIONS.get(name.removeprefix(place)) if place else None
    if found is None:
        known = ", ".join(sorted(_ACTIVATIONS))
        raise PreconditionError(f"a Dense module asks for the activation `{shown(name)}`; Panope runs {known}")
    return found


def _sigmoid(values: Floats) -> Floats:
    # By tanh, which does not overflow.
    result: Floats = _HALF * (np.tanh(_HALF * values) + _ONE)
    return result


def _gelu(values: Floats) -> Floats:
    erf = np.frompyfunc(math.erf, 1, 1)(values / math.sqrt(2)).astype(np.float32)
    result: Floats = _HALF * values * (_ONE + erf)
    return result


def _softplus(values: Floats) -> Floats:
    result: Floats = np.logaddexp(values, _ZERO)
    return result


def _mish(values: Floats) -> Floats:
    result: Floats = values * np.tanh(_softplus(values))
    return result


def _elu(values: Floats) -> Floats:
    result: Floats = np.where(values > 0, values, np.expm1(np.minimum(values, _ZERO)))
    return result


def _softsign(values: Floats) -> Floats:
    result: Floats = np.divide(values, _ONE + np.abs(values), dtype=np.float32)
    return result


def _selu(values: Floats) -> Floats:
    negative = _SELU_ALPHA * np.expm1(np.minimum(values, _ZERO))
    result: Floats = _SELU_SCALE * np.where(values > 0, values, negative)
    return result


def _hard_sigmoid(values: Floats) -> Floats:
    result: Floats = np.clip(values / np.float32(6) + _HALF, _ZERO, _ONE)
    return result


def _leaky(values: Floats) -> Floats:
    result: Floats = np.where(values > 0, values, np.float32(0.01) * values)
    return result


def _shrunk(values: Floats) -> Floats:
    result: Floats = np.sign(values) * np.maximum(np.abs(values) - _HALF, _ZERO)
    return result


#: By the class's name, with the settings that a class without arguments has.
_ACTIVATIONS: dict[str, Activation] = {
    "Identity": lambda values: values,
    "Tanh": np.tanh,
    "ReLU": lambda values: np.maximum(values, _ZERO),
    "ReLU6": lambda values: np.clip(values, _ZERO, np.float32(6)),
    "LeakyReLU": _leaky,
    "ELU": _elu,
    "CELU": _elu,
    "SELU": _selu,
    "Sigmoid": _sigmoid,
    "LogSigmoid": lambda values: -_softplus(-values),
    "SiLU": lambda values: values * _sigmoid(values),
    "GELU": _gelu,
    "Mish": _mish,
    "Softplus": _softplus,
    "Softsign": _softsign,
    "Hardtanh": lambda values: np.clip(values, -_ONE, _ONE),
    "Hardsigmoid": _hard_sigmoid,
    "Hardswish": lambda values: values * _hard_sigmoid(values),
    "Hardshrink": lambda values: values * (np.abs(values) > _HALF).astype(np.float32),
    "Softshrink": _shrunk,
    "Tanhshrink": lambda values: values - np.tanh(values),
}
