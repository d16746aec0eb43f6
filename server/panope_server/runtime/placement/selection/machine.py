"""What a machine has to run models on, as candidates are selected."""

from __future__ import annotations

import itertools
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from panope_backends.api import Device, ModelFacts, Support
from panope_backends.host.processors import usable_processors
from panope_server.runtime.hardware.memory import HOST, is_computed_by_processor, place_of
from panope_server.runtime.hardware.probe import Probe

SupportsOf = Callable[[ModelFacts], Awaitable[Mapping[tuple[str, str], Support]]]
FreeBytes = Callable[[Device], int | None]


@dataclass(frozen=True)
class Machine:
    """What this machine has.

    Attributes:
        supports: how well each device runs a model.
        free_bytes: the memory that is left on a device; None when nobody knows.
        most_bytes: what a model could have there without any other; None when nobody knows.
        busy: the part of a device's time that is taken now, 0 to 1; 0 when nobody knows.
    """

    probe: Probe
    supports: SupportsOf
    free_bytes: FreeBytes
    most_bytes: FreeBytes = lambda device: device.memory_bytes or None
    busy: Callable[[Device], float] = lambda _: 0.0

    def spread(self, device: Device, instances: int, tensor_parallel: int = 1) -> tuple[Device, ...]:
        """The devices of each instance: of several alike each in its turn, so that none waits for another's.

        Args:
            device: the first of them.
            instances: how many there are to be.
            tensor_parallel: devices that each is divided over, no more than there are alike.
        """
        places = instances * tensor_parallel
        if places == 1 or place_of(device) == HOST:
            return (device,) * places
        alike = self._alike(device)
        alike.sort(key=lambda each: -(self.free_bytes(each) or 0))
        return tuple(itertools.islice(itertools.cycle([device, *alike]), places))

    def most_parts(self, device: Device) -> int:
        """Into how many parts a model can be divided there: one a device, and one a processor that may be used."""
        return usable_processors() if place_of(device) == HOST else 1 + len(self._alike(device))

    def _alike(self, device: Device) -> list[Device]:
        """The devices that are like one."""
        return [each for each in self.probe.devices if each.available and each != device and _are_alike(each, device)]


def device_title(device: Device, tensor_parallel: int = 1) -> str:
    """The device's full name, the same on like machines, under which measurements of it are filed.

    Of a processor it says how many of its cores this process may use, for what two do decides nothing for 64; and of a
    model that is divided, how many devices share it.
    """
    of = f"({usable_processors()} usable)" if is_computed_by_processor(device) else ""
    over = f"over {tensor_parallel} devices" if tensor_parallel > 1 else ""
    return " ".join(part for part in (device.name, device.description, of, over) if part)


def undivided_title(title: str) -> str:
    """The name of the first of the devices that share a model, as `device_title` gives it."""
    return re.sub(r" over \d+ devices$", "", title)


def uncounted_title(title: str) -> str:
    """A name that `device_title` gave, without how many cores of the processor were usable."""
    return re.sub(r" \(\d+ usable\)", "", title)


def _are_alike(one: Device, other: Device) -> bool:
    """Whether two devices of a backend differ in nothing but where they are."""
    return replace(one, name=other.name, pci_address=other.pci_address) == other
