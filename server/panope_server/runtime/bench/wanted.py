"""Which of a machine's backends and devices are measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from panope_backends.api import Device
from panope_backends.errors import PreconditionError
from panope_registry.names import shown
from panope_server.runtime.placement.selection.rejections import Rejection
from panope_server.runtime.placement.selection.selection import Selection


@dataclass(frozen=True)
class Wanted:
    """What somebody asks for; an empty field is for all.

    Attributes:
        backends: by name.
        devices: by name, or by their backend and name, as `panope hardware` lists them.
    """

    backends: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()

    def includes(self, device: Device) -> bool:
        """Whether it is to be measured."""
        is_named = device.name in self.devices or f"{device.backend} {device.name}" in self.devices
        return (not self.backends or device.backend in self.backends) and (not self.devices or is_named)

    def refuse_unknown(self, devices: Sequence[Device]) -> None:
        """Refuses names of nothing that this machine knows of; PreconditionError that lists what it does."""
        backends = list(dict.fromkeys(device.backend for device in devices))
        for name in self.backends:
            if name not in backends:
                raise PreconditionError.at(
                    "backends",
                    "{field} names `{name}`; this machine has {known}",
                    name=shown(name),
                    known=", ".join(backends),
                    reason="no_backend",
                )
        names = [f"{device.backend} {device.name}".strip() for device in devices]
        for name in self.devices:
            if name not in names and name not in {device.name for device in devices}:
                raise PreconditionError.at(
                    "devices",
                    "{field} names `{name}`; this machine has {known}",
                    name=shown(name),
                    known=", ".join(names),
                    reason="no_device",
                )

    def missing(self, selection: Selection) -> list[Rejection]:
        """Why what was asked for by its backend's name is not measured, of backends that have no candidate."""
        able = {each.device.backend for each in selection.candidates if self.includes(each.device)}
        missing = [name for name in self.backends if name not in able]
        found = [each for each in selection.rejections if each.label.split(" ")[0] in missing]
        told = {each.label.split(" ")[0] for each in found}
        return found + [Rejection(name, "none of the devices that were named") for name in missing if name not in told]


EVERYTHING = Wanted()
