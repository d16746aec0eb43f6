"""NVIDIA's GPUs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from panope_backends.api import Device
from panope_backends.engines.torch.devices.build import TorchBuild
from panope_backends.engines.torch.devices.rule import GpuRule, Lack, pci_address
from panope_backends.engines.torch.devices.system import System
from panope_backends.engines.torch.devices.torch_device import GATHERED, PAGED, TorchDevice

#: The driver's library, by operating system.
_DRIVERS = {"Linux": "libcuda.so.1", "Windows": "nvcuda.dll"}
_CONTROL = "/dev/nvidiactl"

#: The first compute capability whose tensor cores take bf16, and fp16.
_BF16, _FP16 = (8, 0), (7, 0)


class CudaRule(GpuRule):
    """One device for each GPU that CUDA_VISIBLE_DEVICES leaves."""

    backend = "torch-cuda"
    prefix = "cuda"
    torch_type = "cuda"

    def missing(self, build: TorchBuild, system: System) -> Lack | None:
        """No CUDA in PyTorch, no driver, or no permission to use it."""
        if not build.cuda:
            what = "is for ROCm" if build.hip else "has no CUDA"
            return Lack(
                f"the installed PyTorch {build.version} {what}",
                "install one for CUDA: `TORCH_BACKEND=auto make install`",
            )
        driver = _DRIVERS.get(system.name)
        if driver is None:
            return Lack(f"PyTorch has no CUDA on {system.name}")
        if not system.has_library(driver):
            return Lack(f"no NVIDIA driver is installed (`{driver}` is not found)", "install NVIDIA's driver")
        if system.has(_CONTROL) and not system.may_use(_CONTROL):
            return Lack("this user may not open the GPU", f"let it read and write `{_CONTROL}`")
        return None

    def found(self, torch: Any, module: Any) -> Sequence[Device]:
        """By PyTorch, whose numbers are those of CUDA."""
        module.init()
        built_for = tuple(module.get_arch_list())
        return [self._device(module.get_device_properties(n), n, built_for) for n in range(module.device_count())]

    def explained(self, error: Exception, build: TorchBuild) -> Lack:
        """Drivers are too old more often than anything else."""
        text = str(error).lower()
        if "too old" in text or "insufficient for cuda runtime" in text:
            return Lack(
                f"the NVIDIA driver is too old for CUDA {build.cuda}, which PyTorch {build.version} needs",
                "update the driver, or install a PyTorch for an older CUDA",
            )
        if "no nvidia driver" in text:
            return Lack(
                "the NVIDIA driver is installed and does not run", "load its kernel module, or start the machine anew"
            )
        if "no cuda gpus" in text or "no cuda-capable device" in text:
            return self.hidden(self._system)
        shown = self._system.environment.get("CUDA_VISIBLE_DEVICES")
        of = "" if shown is None else f"; CUDA_VISIBLE_DEVICES is `{shown}`"
        return Lack(f"PyTorch cannot use CUDA ({type(error).__name__}){of}", "the log has the cause")

    def hidden(self, system: System) -> Lack:
        """Hidden by a variable, or not there."""
        shown = system.environment.get("CUDA_VISIBLE_DEVICES")
        if shown is not None:
            return Lack(f"CUDA_VISIBLE_DEVICES is `{shown}`, which leaves no GPU")
        return Lack("the NVIDIA driver finds no GPU")

    def opened(self, name: str, torch_name: str) -> TorchDevice:
        """Pages are attended to by the kernel that reads them where they lie, if the GPU has it."""
        return TorchDevice(name, torch_name, pins=True, attentions=(*PAGED, *GATHERED))

    def _device(self, properties: Any, number: int, built_for: Sequence[str]) -> Device:
        capability = (int(properties.major), int(properties.minor))
        runs = _runs(capability, built_for)
        told = ".".join(map(str, capability))
        return Device(
            self.backend,
            f"{self.prefix}:{number}",
            str(properties.name),
            int(properties.total_memory),
            precisions_of(capability),
            available=runs,
            reason="" if runs else f"the installed PyTorch has no kernels for its compute capability {told}",
            engine_version=self._engine_version(),
            driver_version=self._system.module_version("nvidia"),
            advice="" if runs else "install a PyTorch that was built for it",
            pci_address=pci_address(properties),
        )


def precisions_of(capability: tuple[int, int]) -> tuple[str, ...]:
    """What a GPU computes in natively, fastest first."""
    if capability >= _BF16:
        return ("bf16", "fp16", "fp32")
    return ("fp16", "fp32") if capability >= _FP16 else ("fp32",)


def _runs(capability: tuple[int, int], built_for: Sequence[str]) -> bool:
    """Whether PyTorch has code for a GPU: of its generation and no newer, or to be compiled for it by the driver."""
    if not built_for:
        return True
    for each in built_for:
        kind, _, digits = each.partition("_")
        digits = digits.rstrip("abcdefghijklmnopqrstuvwxyz")
        if not digits.isdigit() or len(digits) < 2:
            continue
        built = int(digits[:-1]), int(digits[-1])
        if (kind == "sm" and built[0] == capability[0] and built <= capability) or (
            kind == "compute" and built <= capability
        ):
            return True
    return False
