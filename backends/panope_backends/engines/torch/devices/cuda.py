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
_CONTROL, _MEMORY = "/dev/nvidiactl", "/dev/nvidia-uvm"
_CARDS = ("/dev", "nvidia[0-9]*")

_WINDOWS = "/dev/dxg"
"""Where Linux within Windows (WSL) has its GPUs, by the driver of Windows."""

#: The first compute capability whose tensor cores take bf16, and fp16.
_BF16, _FP16 = (8, 0), (7, 0)

#: What CUDA says of a machine that is in the way of itself, by words of its errors (cudaError_t, CUresult).
_SAID = {
    "no nvidia driver": Lack(
        "the NVIDIA driver is installed and does not run",
        "load its kernel module, or start the machine anew; pass the GPUs into a container",
    ),
    "busy or unavailable": Lack(
        "the GPU is another process's alone, or does not answer",
        "end that process, or let several use it: `nvidia-smi --compute-mode=DEFAULT`",
    ),
    "unsupported display driver": Lack(
        "the NVIDIA driver's library and its kernel module are of different versions",
        "start the machine anew after an update of the driver",
    ),
    "forward compatibility": Lack(
        "a library of CUDA's forward compatibility is found, and the GPU does not take it",
        "take `cuda-compat` out of LD_LIBRARY_PATH, and update the driver",
    ),
    "system not yet initialized": Lack("the GPUs are not connected yet", "start NVIDIA's fabric manager"),
    "unknown error": Lack(
        "the NVIDIA driver fails without a reason",
        "load its kernel module `nvidia_uvm`, or start the machine anew, which sleep most often calls for",
    ),
}


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
            where = "in Windows: this is Linux within it" if system.has(_WINDOWS) else ""
            advice = f"install NVIDIA's driver {where}".strip()
            return Lack(f"no NVIDIA driver is installed (`{driver}` is not found)", advice)
        if closed := _closed(system):
            return Lack("this user may not open the GPU", f"let it read and write {closed}")
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
        if "no cuda gpus" in text or "no cuda-capable device" in text:
            return self.hidden(self._system)
        if lack := self.known(error):
            return lack
        shown = self._system.variable("CUDA_VISIBLE_DEVICES")
        of = "" if shown is None else f"; CUDA_VISIBLE_DEVICES is `{shown}`"
        return Lack(f"PyTorch cannot use CUDA ({type(error).__name__}){of}", "the log has the cause")

    def known(self, error: Exception) -> Lack | None:
        """By the words of CUDA's own errors."""
        text = str(error).lower()
        return next((lack for words, lack in _SAID.items() if words in text), None)

    def hidden(self, system: System) -> Lack:
        """Hidden by a variable, or not there."""
        shown = system.variable("CUDA_VISIBLE_DEVICES")
        if shown is not None:
            return Lack(f"CUDA_VISIBLE_DEVICES is `{shown}`, which leaves no GPU")
        return Lack("the NVIDIA driver finds no GPU", "where MIG is on, make instances: `nvidia-smi mig -cgi …`")

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


def _closed(system: System) -> str:
    """The files of devices that this user may not open and needs; of several GPUs one is enough."""
    for file in (_CONTROL, _MEMORY):
        if system.has(file) and not system.may_use(file):
            return f"`{file}`"
    cards = system.matching(*_CARDS)
    return "" if not cards or any(map(system.may_use, cards)) else f"`{cards[0]}`"


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
