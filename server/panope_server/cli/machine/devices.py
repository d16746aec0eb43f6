"""Devices as tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from panope_server.cli.output.console import bytes_text, console, print_table

if TYPE_CHECKING:
    from panope_backends.api import Device


def print_devices(devices: Sequence[Device]) -> None:
    """Prints those that can be used, then the others with the reason and what would help."""
    usable = [device for device in devices if device.available]
    print_table(
        ("DEVICE", "DESCRIPTION", "MEMORY", "PRECISIONS", "VERSIONS", "STATE"), map(_usable, usable), empty="no devices"
    )
    missing = [device for device in devices if not device.available]
    if missing:
        console.print()
        print_table(("MISSING", "WHY", "WHAT HELPS"), map(_missing, missing), empty="")


def names_nothing(name: str) -> str:
    """What is said of a setting of hardware, as one written for another machine or with a slip."""
    return f"names `{name}`, which is no backend and no `BACKEND DEVICE` that `panope hardware` lists"


def title(device: Device) -> str:
    """The backend's name and the device's."""
    return f"{device.backend} {device.name}".strip()


def _usable(device: Device) -> tuple[str, ...]:
    driver = f"driver {device.driver_version}" if device.driver_version else ""
    state = "emulated" if device.is_emulated else "available"
    return (
        title(device),
        device.description,
        bytes_text(device.memory_bytes) if device.memory_bytes else "",
        ", ".join(device.precisions),
        ", ".join(part for part in (device.engine_version, driver) if part),
        f"{state}: {device.reason}" if device.reason else state,
    )


def _missing(device: Device) -> tuple[str, str, str]:
    return title(device), device.reason or "not available", device.advice
