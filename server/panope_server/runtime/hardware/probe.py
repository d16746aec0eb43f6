"""What the backends said of this machine, and how it is written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from panope_backends.api import Conversion, Device, Level, Support


@dataclass(frozen=True)
class BackendVersions:
    """The versions of a backend.

    Attributes:
        version: of its package; empty for a backend that is not installed.
        api_version: of the contract that it was written for; 0 when it could not be loaded.
    """

    version: str
    api_version: int


@dataclass(frozen=True)
class Probe:
    """What the backends said of this machine.

    Attributes:
        devices: best first.
        conversions: by backend; also those that cannot be done here, with the reason.
        backends: by name, those that could not be loaded too.
    """

    devices: tuple[Device, ...]
    conversions: Mapping[str, tuple[Conversion, ...]]
    backends: Mapping[str, BackendVersions] = field(default_factory=dict)


def probe_of(answer: Mapping[str, Any]) -> Probe:
    """The answer of the probe program's processes, read."""
    names = Device.__dataclass_fields__
    devices = [{name: value for name, value in entry.items() if name in names} for entry in answer["devices"]]
    return Probe(
        devices=tuple(Device(**entry | {"precisions": tuple(entry["precisions"])}) for entry in devices),
        conversions={
            backend: msgspec.convert(offered, tuple[Conversion, ...])
            for backend, offered in answer["conversions"].items()
        },
        backends=msgspec.convert(answer["backends"], dict[str, BackendVersions]),
    )


def supports_of(answer: Mapping[str, Any]) -> Mapping[tuple[str, str], Support]:
    """How well each device runs the model that the program was asked about, by backend and device name."""
    return {
        (entry["backend"], entry["name"]): Support(
            Level(entry["level"]),
            entry["support_reason"],
            entry["support_is_final"],
            entry.get("divisor", 1),
            entry.get("undivided", ""),
        )
        for entry in answer["devices"]
        if "level" in entry
    }
