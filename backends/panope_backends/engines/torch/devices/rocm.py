"""AMD's GPUs. PyTorch's build for ROCm calls them `cuda`; what tells it from the other is `torch.version.hip`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from panope_backends.api import Device
from panope_backends.engines.torch.devices.build import TorchBuild
from panope_backends.engines.torch.devices.rule import GpuRule, Lack, pci_address
from panope_backends.engines.torch.devices.system import System
from panope_backends.engines.torch.devices.torch_device import GATHERED, TorchDevice

_KERNEL = "/dev/kfd"
_CARDS = ("/dev/dri", "renderD*")

_WINDOWS = "/dev/dxg"
"""Where Linux within Windows (WSL) has its GPUs, by the driver of Windows."""

#: Generations whose matrix units take bf16: CDNA from MI100 on, and RDNA from the third on.
_BF16 = ("gfx908", "gfx90a", "gfx94", "gfx95", "gfx11", "gfx12")

#: The variables that hide GPUs, in the order in which ROCm reads them.
_HIDING = ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")


class RocmRule(GpuRule):
    """One device for each GPU that HIP_VISIBLE_DEVICES and its like leave."""

    backend = "torch-rocm"
    prefix = "rocm"
    torch_type = "cuda"

    def missing(self, build: TorchBuild, system: System) -> Lack | None:
        """No ROCm in PyTorch, no driver, or no permission to use it."""
        if not build.hip:
            advice = "install one for ROCm: `TORCH_BACKEND=auto make install`"
            return Lack(f"the installed PyTorch {build.version} has no ROCm", advice)
        if system.name == "Linux" and system.has(_WINDOWS):
            return None
        if system.name == "Linux" and not system.has(_KERNEL):
            return Lack(f"no AMD driver is loaded (`{_KERNEL}` is not there)", "install AMD's driver")
        if system.name == "Linux" and not system.may_use(_KERNEL):
            return Lack(f"this user may not open the GPU (`{_KERNEL}`)", "add it to the groups `render` and `video`")
        return None

    def found(self, torch: Any, module: Any) -> Sequence[Device]:
        """By PyTorch, whose numbers are those of HIP."""
        module.init()
        return [self._device(module.get_device_properties(n), n) for n in range(module.device_count())]

    def explained(self, error: Exception, build: TorchBuild) -> Lack:
        """Not many errors of HIP tell what is wrong."""
        text = str(error).lower()
        if "no hip gpus" in text or "no cuda gpus" in text or "no rocm-capable device" in text:
            return self.hidden(self._system)
        return Lack(
            f"PyTorch for ROCm {build.hip} cannot use the GPU ({type(error).__name__}){_shown(self._system)}",
            "the driver may be of another version; the log has the cause",
        )

    def hidden(self, system: System) -> Lack:
        """Hidden by a variable, or not there."""
        if told := _hiding(system):
            return Lack(f"{' and '.join(told)}, which leaves no GPU")
        cards = system.matching(*_CARDS)
        if system.has(_KERNEL) and not cards:
            return Lack(f"the AMD driver shows no GPU in `{_CARDS[0]}`", f"pass `{_CARDS[0]}` into the container")
        if cards and not any(map(system.may_use, cards)):
            return Lack(f"this user may not open the GPU (`{cards[0]}`)", "add it to the groups `render` and `video`")
        return Lack("the AMD driver finds no GPU")

    def opened(self, name: str, torch_name: str) -> TorchDevice:
        """Keys and values are gathered: PyTorch's attention over pages is CUDA's alone."""
        return TorchDevice(name, torch_name, pins=True, attentions=GATHERED)

    def _device(self, properties: Any, number: int) -> Device:
        architecture = str(getattr(properties, "gcnArchName", ""))
        has_bf16 = architecture.startswith(_BF16)
        return Device(
            self.backend,
            f"{self.prefix}:{number}",
            str(properties.name),
            int(properties.total_memory),
            ("bf16", "fp16", "fp32") if has_bf16 else ("fp16", "fp32"),
            engine_version=self._engine_version(),
            driver_version=self._system.module_version("amdgpu"),
            pci_address=pci_address(properties),
        )


def _hiding(system: System) -> Sequence[str]:
    """What the variables say that hide GPUs: each takes some of those that the former ones have left."""
    return [f"{name} is `{shown}`" for name in _HIDING if (shown := system.variable(name)) is not None]


def _shown(system: System) -> str:
    return "".join(f"; {told}" for told in _hiding(system))
