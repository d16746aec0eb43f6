"""What a candidate must meet when a model is loaded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LoadConstraints:
    """How a model must be run; an empty field leaves it to Panope.

    Attributes:
        backend: the backend's name.
        precision: to compute in, or that the weights are quantized to.
        variant: the first digits of a variant's digest; that variant is run as it is, never a conversion of it.
        instances: how many there must be; 0 leaves it to Panope.
        preferred_backends: the most wanted first; others run it where none of these can.
        tensor_parallel: devices that each instance is divided over, 1 for none; 0 leaves it to Panope.
    """

    backend: str = ""
    precision: str = ""
    variant: str = ""
    instances: int = 0
    preferred_backends: tuple[str, ...] = ()
    tensor_parallel: int = 0


UNCONSTRAINED = LoadConstraints()
