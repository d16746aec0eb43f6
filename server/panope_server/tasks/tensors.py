"""Task `tensors`: named tensors through the model as it is."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class NamedTensor:
    """A dense, row-major, little-endian array; `dtype` is NumPy's name."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: bytes


@dataclass(slots=True)
class TensorInput:
    """Named tensors to run; `output_names` empty for all."""

    inputs: list[NamedTensor]
    output_names: list[str] = field(default_factory=list)


@dataclass(slots=True)
class TensorOutput:
    """The outputs, in the order asked for."""

    outputs: list[NamedTensor]
