"""Apple's GPUs, by Metal Performance Shaders. Their memory is the machine's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from panope_backends.api import Device
from panope_backends.engines.torch.devices.build import TorchBuild
from panope_backends.engines.torch.devices.rule import GpuRule, Lack
from panope_backends.engines.torch.devices.system import System
from panope_backends.engines.torch.devices.torch_device import GATHERED, TorchDevice
from panope_backends.host.processor_model import processor_name


class MpsRule(GpuRule):
    """The one GPU of a Mac with Apple's processor. fp32 comes first: half precision there overflows in some models."""

    backend = "mps"
    prefix = "mps"
    undivided = "PyTorch divides no models over Apple's GPUs"
    torch_type = "mps"

    def missing(self, build: TorchBuild, system: System) -> Lack | None:
        """Another machine."""
        del build
        if system.name != "Darwin" or system.machine != "arm64":
            return Lack("Apple's GPUs are in Macs with Apple's processors")
        return None

    def found(self, torch: Any, module: Any) -> Sequence[Device]:
        """By PyTorch."""
        if not module.is_available():
            return ()
        memory = int(module.recommended_max_memory())
        precisions = ("fp32", "fp16", "bf16") if self._has_bf16(torch) else ("fp32", "fp16")
        return [
            Device(
                self.backend,
                self.prefix,
                processor_name(),
                memory,
                precisions,
                engine_version=self._engine_version(),
            )
        ]

    def explained(self, error: Exception, build: TorchBuild) -> Lack:
        """Metal does not tell what is wrong."""
        return Lack(f"PyTorch {build.version} cannot use the GPU ({type(error).__name__})", "the log has the cause")

    def hidden(self, system: System) -> Lack:
        """Too old a system, or a PyTorch without it."""
        del system
        return Lack("PyTorch finds no GPU", "use macOS 14 or newer, and a PyTorch for Apple's processors")

    def opened(self, name: str, torch_name: str) -> TorchDevice:
        """Its memory is the machine's, so that no copy waits for another bus."""
        return TorchDevice(name, torch_name, pins=False, attentions=GATHERED, shares_memory=True)

    def _has_bf16(self, torch: Any) -> bool:
        try:
            torch.zeros(1, dtype=torch.bfloat16, device=self.torch_type).add_(1)
        except (RuntimeError, TypeError):
            return False
        return True
