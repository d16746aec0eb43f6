"""Processors."""

from __future__ import annotations

from collections.abc import Sequence

from panope_backends.api import Device
from panope_backends.engines.torch.devices.rule import DeviceRule
from panope_backends.engines.torch.devices.torch_device import HOST, TorchDevice
from panope_backends.errors import PreconditionError
from panope_backends.host.memory import memory_bytes
from panope_backends.host.processor_model import has_native_bf16, processor_name


class CpuRule(DeviceRule):
    """One processor. fp32 comes first, though bf16 can be faster: this backend is the exact one."""

    backend = "cpu"

    def devices(self) -> Sequence[Device]:
        """One."""
        return (Device(self.backend, "CPU", processor_name(), memory_bytes(), tuple(self.precisions("CPU"))),)

    def precisions(self, name: str) -> Sequence[str]:
        """bf16 where the processor multiplies it."""
        del name  # there is one
        return ("fp32", "bf16") if has_native_bf16() else ("fp32",)

    def open(self, name: str) -> TorchDevice:
        """The processor."""
        if name != "CPU":
            raise PreconditionError(f"cpu has no device `{name}`; it has: CPU", reason="unknown_device")
        return HOST
