"""What a kind of device says of itself."""

from __future__ import annotations

import importlib
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

from panope_backends.api import Device
from panope_backends.engines.packages import version_of
from panope_backends.engines.torch.devices.build import TorchBuild, installed_build
from panope_backends.engines.torch.devices.system import System
from panope_backends.engines.torch.devices.torch_device import TorchDevice
from panope_backends.errors import PreconditionError


def import_torch() -> Any:
    """PyTorch, which takes seconds to import."""
    return importlib.import_module("torch")


class Lack(NamedTuple):
    """Why there is no device, and what helps; both for people."""

    reason: str
    advice: str = ""


class DeviceRule(ABC):
    """A kind of device."""

    backend: ClassVar[str]
    """The name of the backend that computes there."""

    undivided: ClassVar[str] = ""
    """Why no model is divided over several such devices; empty where models may be."""

    @abstractmethod
    def devices(self) -> Sequence[Device]:
        """The devices of this machine; where there is none, one that is not available, with the reason."""

    @abstractmethod
    def open(self, name: str) -> TorchDevice:
        """A device by the name that `devices` gives it.

        Raises:
            PreconditionError: there is none of this name (`unknown_device`).
        """

    def known(self, error: Exception) -> Lack | None:
        """What an error of the kind's driver means, where its words are known; it may come at a device's first use."""
        del error
        return None

    def precisions(self, name: str) -> Sequence[str]:
        """What a device of this name computes in natively, the one to compute in unasked first."""
        return next((device.precisions for device in self.devices() if device.name == name), ("fp32",))


class GpuRule(DeviceRule):
    """A kind of GPU, found by PyTorch where a look at the machine does not already tell that there is none.

    Args:
        build: the installed PyTorch.
        system: this machine.
        torch: gives PyTorch.
        torch_type: PyTorch's name for the kind; another one lets a device that stands for it run all that follows.
    """

    prefix: ClassVar[str]
    """Of the names of devices, before the number."""

    torch_type: str

    def __init__(
        self,
        build: Callable[[], TorchBuild | None] = installed_build,
        system: System | None = None,
        torch: Callable[[], Any] = import_torch,
        torch_type: str = "",
    ) -> None:
        self._build = build
        self._system = system or System()
        self._torch = torch
        self.torch_type = torch_type or type(self).torch_type

    def devices(self) -> Sequence[Device]:
        """As of every rule; PyTorch is imported only where the machine may have such a device."""
        build = self._build()
        if build is None:
            return (self._none(Lack("PyTorch is not installed", "pip install 'panope-serving[torch]'")),)
        if lack := self.missing(build, self._system):
            return (self._none(lack),)
        try:
            torch = self._torch()
            found = self.found(torch, torch.get_device_module(self.torch_type))
        except Exception as error:  # a driver and a library that do not go together fail in ways of their own
            traceback.print_exc()  # into the log
            return (self._none(self.explained(error, build)),)
        return tuple(found) or (self._none(self.hidden(self._system)),)

    def open(self, name: str) -> TorchDevice:
        """As of every rule; whether the device is there shows when a tensor is put on it."""
        prefix, _, number = name.partition(":")
        if prefix != self.prefix or (number and not (number.isascii() and number.isdigit())):
            known = ", ".join(device.name for device in self.devices() if device.available) or "none"
            raise PreconditionError(f"{self.backend} has no device `{name}`; it has: {known}", reason="unknown_device")
        return self.opened(name, f"{self.torch_type}:{int(number or 0)}")

    @abstractmethod
    def missing(self, build: TorchBuild, system: System) -> Lack | None:
        """Why there can be no such device, from a look at the machine; None where there may be one."""

    @abstractmethod
    def found(self, torch: Any, module: Any) -> Sequence[Device]:
        """The devices that PyTorch finds; may raise what a driver raises.

        Args:
            torch: PyTorch.
            module: its part for this kind, such as `torch.cuda`.
        """

    @abstractmethod
    def explained(self, error: Exception, build: TorchBuild) -> Lack:
        """What an error of `found` means."""

    @abstractmethod
    def hidden(self, system: System) -> Lack:
        """Why PyTorch finds no device where nothing is missing."""

    @abstractmethod
    def opened(self, name: str, torch_name: str) -> TorchDevice:
        """The device of a name, by PyTorch's name for it."""

    def _none(self, lack: Lack) -> Device:
        return Device(
            self.backend,
            self.prefix,
            available=False,
            reason=lack.reason,
            engine_version=self._engine_version(),
            advice=lack.advice,
        )

    def _engine_version(self) -> str:
        return f"torch {version_of('torch')}".strip()


def pci_address(properties: Any) -> str:
    """Where a GPU is, by what PyTorch says of it; empty where it says nothing."""
    if not hasattr(properties, "pci_bus_id"):
        return ""
    return f"{properties.pci_domain_id:04x}:{properties.pci_bus_id:02x}:{properties.pci_device_id:02x}.0"
