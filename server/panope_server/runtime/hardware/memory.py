"""Which devices compute in the same memory, and which are the machine's processor."""

from __future__ import annotations

from panope_backends.api import Device

HOST = "host"
"""The memory that all backends' processors share."""


def place_of(device: Device) -> str:
    """Where a device's memory is: devices of several backends may be one, and devices of one name several.

    Who tells no PCI address is taken at its name.
    """
    shares = is_computed_by_processor(device) or device.name == "mps"  # Apple's are one
    return HOST if shares else device.pci_address or device.name


def is_computed_by_processor(device: Device) -> bool:
    """Whether the machine's processor computes what the device is given."""
    return device.is_emulated or device.name.partition(".")[0] == "CPU"
