"""What the settings say of devices, over what the backends say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from panope_backends.api import Device
from panope_server.config.sections.hardware import HardwareSettings
from panope_server.runtime.hardware.probe import Probe


@dataclass(frozen=True)
class Overrides:
    """What holds of devices, each named as `BACKEND`, or as `BACKEND DEVICE`.

    Attributes:
        disabled: those on which nothing is loaded.
        memory: the most bytes that models may use of a device; it makes no device larger than it is.
    """

    disabled: frozenset[str] = frozenset()
    memory: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: HardwareSettings) -> Overrides:
        """Those of the section `[hardware]`."""
        return cls(frozenset(settings.disabled), settings.memory_bytes)

    def unknown(self, probe: Probe) -> Sequence[tuple[str, str]]:
        """The settings, each with a name in it that is of no backend and no device of this machine."""
        found = {name for device in probe.devices for name in _names(device)}
        named = [("disabled", name) for name in sorted(self.disabled)] + [("memory", name) for name in self.memory]
        return [(f"hardware.{setting}", name) for setting, name in named if name not in found]

    def applied(self, probe: Probe) -> Probe:
        """What was found, as it is used."""
        return replace(probe, devices=tuple(map(self._device, probe.devices)))

    def _device(self, device: Device) -> Device:
        names = _names(device)
        if device.available and not self.disabled.isdisjoint(names):
            device = replace(device, available=False, reason="the setting `hardware.disabled` names it")
        for name in names:
            if name in self.memory:
                most = self.memory[name]
                return replace(device, memory_bytes=min(most, device.memory_bytes or most))
        return device


def _names(device: Device) -> tuple[str, str]:
    """How settings name it, by itself and with all of its backend."""
    return f"{device.backend} {device.name}", device.backend
