"""The section `[hardware]`: what holds of devices, whatever backends say of them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from panope_server.config.sections.values import check_single
from panope_server.config.sizes import parse_size
from panope_server.config.value_words import WORDS

DeviceEntry = Annotated[
    str,
    Meta(
        pattern=r"^[^= \n]+( [^= \n]+)?\Z",
        extra={WORDS: "`BACKEND`, or `BACKEND DEVICE` as `panope hardware` lists it"},
    ),
]
MemoryEntry = Annotated[
    str,
    Meta(pattern=r"^[^= \n]+( [^= \n]+)?=[^=\n]+\Z", extra={WORDS: "texts such as `torch-cuda cuda:0=40GiB`"}),
]
PythonEntry = Annotated[
    str,
    Meta(pattern=r"^[^= \n]+=/.+\Z", extra={WORDS: "texts such as `torch-rocm=/opt/rocm/venv/bin/python`"}),
]


class HardwareSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Devices that are left alone, how much memory models may use of others, and interpreters of backends."""

    disabled: Annotated[tuple[DeviceEntry, ...], Meta(description="Devices on which no model is loaded.")] = ()
    memory: Annotated[
        tuple[MemoryEntry, ...],
        Meta(description="The most memory that models may use of a device; no device becomes larger than it is."),
    ] = ()
    python: Annotated[
        tuple[PythonEntry, ...],
        Meta(
            description="The Python interpreters of backends that do not run in that of `workers.python`, such as "
            "PyTorch for AMD beside PyTorch for NVIDIA; Panope is installed there too."
        ),
    ] = ()

    def __post_init__(self) -> None:
        check_single(self.memory)
        check_single(self.python)
        for entry in self.memory:
            name, _, size = entry.partition("=")
            if not parse_size(size, "memory"):
                raise ValueError(f"`memory` leaves `{name}` some; `disabled` keeps models from it")

    @property
    def memory_bytes(self) -> dict[str, int]:
        """`memory`, by device."""
        parts = (entry.partition("=") for entry in self.memory)
        return {name: parse_size(size, "memory") for name, _, size in parts}

    @property
    def interpreters(self) -> dict[str, str]:
        """`python`, by backend."""
        return {name: path for name, _, path in (entry.partition("=") for entry in self.python)}
