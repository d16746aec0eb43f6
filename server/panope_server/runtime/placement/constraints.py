"""What somebody asks for when a model is to be loaded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Wish:
    """How to run a model; empty for no wish.

    Attributes:
        backend: the backend's name.
        precision: to compute in, or that the weights are quantized to.
        variant: the first digits of a variant's digest; that variant is run as it is, never a conversion of it.
    """

    backend: str = ""
    precision: str = ""
    variant: str = ""


ANYTHING = Wish()
