"""Which GPUs there are, or why none: machines, drivers and builds of PyTorch of all kinds, which are faked."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from fake_gpu import MODULE, FakeCudaBackend, Machine, gpu, install, rule_of

from panope_backends.api import Device, LoadOptions, ModelFacts
from panope_backends.engines.torch.devices.build import TorchBuild, installed_build, read_build
from panope_backends.engines.torch.devices.cuda import CudaRule
from panope_backends.engines.torch.devices.mps import MpsRule
from panope_backends.engines.torch.devices.rocm import RocmRule
from panope_backends.engines.torch.devices.rule import GpuRule
from panope_backends.errors import PreconditionError

CUDA, ROCM, PLAIN = TorchBuild("2.15.0+cu132", cuda="13.2"), TorchBuild("2.15.0+rocm7", hip="7.1"), TorchBuild("2.15.0")


class WithoutDriver(Machine):
    def has_library(self, name: str) -> bool:
        return False

    def has(self, path: str) -> bool:
        return False


class WithoutPermission(Machine):
    def may_use(self, path: str) -> bool:
        return False


class Closed(Machine):
    """All but one file may be opened."""

    def __init__(self, file: str) -> None:
        super().__init__()
        object.__setattr__(self, "file", file)

    def may_use(self, path: str) -> bool:
        return path != self.file  # type: ignore[attr-defined] # set past the frozen class


class WithoutCards(Machine):
    def matching(self, folder: str, pattern: str) -> list[str]:
        return []


class InWindows(Machine):
    """Linux within Windows, which has no files of GPUs."""

    def has(self, path: str) -> bool:
        return path == "/dev/dxg"


class InWindowsWithoutDriver(InWindows):
    def has_library(self, name: str) -> bool:
        return False


@dataclass
class Case:
    """A machine, and what a rule says of it."""

    rule: type[GpuRule]
    says: str
    build: TorchBuild | None = CUDA
    system: Machine = field(default_factory=Machine)
    gpus: Sequence[Any] = ()
    error: Exception | None = None


HIDDEN = Machine(CUDA_VISIBLE_DEVICES="")
OLD = RuntimeError("The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver")

NOT_MATCHING = RuntimeError("Error 803: system has unsupported display driver / cuda driver combination")
FORWARD = RuntimeError("Error 804: forward compatibility was attempted on non supported HW")
EXCLUSIVE = RuntimeError("CUDA error: CUDA-capable device(s) is/are busy or unavailable")
FABRIC = RuntimeError("Unexpected error from cudaGetDeviceCount(). Error 802: system not yet initialized")
ASLEEP = RuntimeError("CUDA unknown error - this may be due to an incorrectly set up environment")
NO_GPU = RuntimeError("No CUDA GPUs are available")
NO_HIP = RuntimeError("No HIP GPUs are available")
BOTH = Machine(HIP_VISIBLE_DEVICES="0", CUDA_VISIBLE_DEVICES="1")

CASES = {
    "a card that is closed": Case(CudaRule, "let it read and write `/dev/nvidia0`", system=Closed("/dev/nvidia0")),
    "closed memory": Case(CudaRule, "let it read and write `/dev/nvidia-uvm`", system=Closed("/dev/nvidia-uvm")),
    "Windows without a driver": Case(CudaRule, "NVIDIA's driver in Windows: this is", system=InWindowsWithoutDriver()),
    "Windows without a GPU": Case(CudaRule, "driver finds no GPU", system=InWindows(), error=NO_GPU),
    "a library of another driver": Case(CudaRule, "are of different versions", error=NOT_MATCHING),
    "forward compatibility": Case(CudaRule, "take `cuda-compat` out of LD_LIBRARY_PATH", error=FORWARD),
    "a GPU of another process": Case(CudaRule, "`nvidia-smi --compute-mode=DEFAULT`", error=EXCLUSIVE),
    "no fabric manager": Case(CudaRule, "start NVIDIA's fabric manager", error=FABRIC),
    "a driver that has slept": Case(CudaRule, "or start the machine anew", error=ASLEEP),
    "MIG without instances": Case(CudaRule, "where MIG is on, make instances", error=NO_GPU),
    "another machine's UUID": Case(
        CudaRule, "`GPU-8f2c`, which leaves no", system=Machine(CUDA_VISIBLE_DEVICES="GPU-8f2c"), error=NO_GPU
    ),
    "a part of a card that is gone": Case(
        CudaRule, "`MIG-8f2c`, which leaves no", system=Machine(CUDA_VISIBLE_DEVICES="MIG-8f2c"), error=NO_GPU
    ),
    "a variable that is a program": Case(
        CudaRule, "is `\N{REPLACEMENT CHARACTER}[2J0`", system=Machine(CUDA_VISIBLE_DEVICES="\x1b[2J0"), error=NO_GPU
    ),
    "a variable without an end": Case(
        CudaRule, f"is `{'0,' * 50}…`, which", system=Machine(CUDA_VISIBLE_DEVICES="0," * 9000), error=NO_GPU
    ),
    "HIP's and CUDA's variable": Case(
        RocmRule, "HIP_VISIBLE_DEVICES is `0` and CUDA_VISIBLE_DEVICES is `1`, which", build=ROCM, system=BOTH
    ),
    "variables that HIP does not take": Case(
        RocmRule, "(ValueError); HIP_VISIBLE_DEVICES is `0`; CUDA", build=ROCM, system=BOTH, error=ValueError("two")
    ),
    "a container without AMD's cards": Case(RocmRule, "pass `/dev/dri` into", build=ROCM, system=WithoutCards()),
    "AMD's card that is closed": Case(
        RocmRule, "(`/dev/dri/renderD0`): add it", build=ROCM, system=Closed("/dev/dri/renderD0"), error=NO_HIP
    ),
    "AMD's in Windows": Case(RocmRule, "the AMD driver finds no GPU", build=ROCM, system=InWindows(), error=NO_HIP),
    "no torch": Case(CudaRule, "PyTorch is not installed: pip install 'panope-serving[torch]'", build=None),
    "torch without CUDA": Case(CudaRule, "the installed PyTorch 2.15.0 has no CUDA: install one for CUDA", build=PLAIN),
    "torch for ROCm": Case(CudaRule, "the installed PyTorch 2.15.0+rocm7 is for ROCm: install one", build=ROCM),
    "no driver": Case(CudaRule, "no NVIDIA driver is installed (`libcuda.so.1` is not found)", system=WithoutDriver()),
    "no driver on Windows": Case(CudaRule, "(`nvcuda.dll` is not found)", system=WithoutDriver("Windows")),
    "a Mac": Case(CudaRule, "PyTorch has no CUDA on Darwin", system=Machine("Darwin", "arm64")),
    "no permission": Case(CudaRule, "this user may not open the GPU: let it read", system=WithoutPermission()),
    "an old driver": Case(
        CudaRule, "the NVIDIA driver is too old for CUDA 13.2, which PyTorch 2.15.0+cu132", error=OLD
    ),
    "a driver that is not loaded": Case(CudaRule, "does not run", error=RuntimeError("Found no NVIDIA driver on your")),
    "no GPU": Case(CudaRule, "the NVIDIA driver finds no GPU", error=RuntimeError("No CUDA GPUs are available")),
    "all hidden": Case(CudaRule, "CUDA_VISIBLE_DEVICES is ``, which leaves no GPU", system=HIDDEN),
    "an error of no known kind": Case(CudaRule, "PyTorch cannot use CUDA (OSError)", error=OSError("libcudart")),
    "CUDA where ROCm is asked for": Case(RocmRule, "the installed PyTorch 2.15.0+cu132 has no ROCm"),
    "no AMD driver": Case(RocmRule, "no AMD driver is loaded (`/dev/kfd`", build=ROCM, system=WithoutDriver()),
    "not in the groups": Case(RocmRule, "add it to the groups `render`", build=ROCM, system=WithoutPermission()),
    "hidden by HIP": Case(RocmRule, "HIP_VISIBLE_DEVICES is `9`", build=ROCM, system=Machine(HIP_VISIBLE_DEVICES="9")),
    "another version of ROCm": Case(
        RocmRule, "PyTorch for ROCm 7.1 cannot use the GPU (RuntimeError)", build=ROCM, error=RuntimeError("hip 98")
    ),
    "no Mac": Case(MpsRule, "Apple's GPUs are in Macs with Apple's processors", build=PLAIN),
    "a Mac with Intel's": Case(MpsRule, "Apple's GPUs", build=PLAIN, system=Machine("Darwin", "x86_64")),
    "an old macOS": Case(MpsRule, "PyTorch finds no GPU: use macOS 14", build=PLAIN, system=Machine("Darwin", "arm64")),
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[Case], Sequence[Device]]:
    def ask(case: Case) -> Sequence[Device]:
        install()
        monkeypatch.setattr(MODULE, "gpus", list(case.gpus))
        monkeypatch.setattr(MODULE, "error", case.error)
        return rule_of(case.rule, build=lambda: case.build, system=case.system).devices()

    return ask


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_machine_without_a_gpu_says_why(case: Case, asked: Callable[[Case], Sequence[Device]]) -> None:
    (device,) = asked(case)
    assert not device.available
    assert device.backend == case.rule.backend
    assert device.name == case.rule.prefix
    assert case.says in f"{device.reason}: {device.advice}"


def test_pytorch_is_not_imported_where_the_machine_tells_that_there_is_none() -> None:
    def never() -> Any:
        raise AssertionError("torch was imported")

    for rule, system in ((CudaRule, WithoutDriver()), (RocmRule, WithoutDriver()), (MpsRule, Machine())):
        build = {CudaRule: CUDA, RocmRule: ROCM, MpsRule: PLAIN}[rule]
        assert not rule(lambda build=build: build, system, never).devices()[0].available


def test_a_pytorch_that_breaks_when_it_is_imported_is_a_reason() -> None:
    def broken() -> Any:
        raise OSError("libtorch.so: cannot open shared object file")

    (device,) = CudaRule(lambda: CUDA, Machine(), broken).devices()
    assert device.reason == "PyTorch cannot use CUDA (OSError)"


@pytest.mark.parametrize("shown", ["-1", "0,0", " 0 , 1", "GPU-8f2c", "MIG-GPU-8f2c/1/0", "99", "none"])
def test_a_variable_that_cuda_does_not_take_is_told_with_what_it_says(shown: str) -> None:
    def broken() -> Any:
        raise AssertionError("Invalid device id")

    (device,) = CudaRule(lambda: CUDA, Machine(CUDA_VISIBLE_DEVICES=shown), broken).devices()
    assert device.reason == f"PyTorch cannot use CUDA (AssertionError); CUDA_VISIBLE_DEVICES is `{shown}`"


def test_a_gpu_that_is_seen_and_refuses_to_be_used_says_why_at_the_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise EXCLUSIVE

    backend = FakeCudaBackend()
    monkeypatch.setattr(FakeCudaBackend, "_load", refuse)
    with pytest.raises(PreconditionError, match="cuda:0: the GPU is another process's alone"):
        backend.load(ModelFacts("a/b", "safetensors"), tmp_path, "cuda:0", LoadOptions())


def test_a_driver_newer_than_the_library_is_no_reason(asked: Callable[[Case], Sequence[Device]]) -> None:
    (device,) = asked(Case(CudaRule, "", system=Machine(CUDA_VISIBLE_DEVICES="GPU-1"), gpus=[gpu("H200", 9, 0)]))
    assert (device.available, device.reason) == (True, "")


def test_each_gpu_is_a_device_with_its_memory_and_precisions(asked: Callable[[Case], Sequence[Device]]) -> None:
    gpus = [gpu("H200", 9, 0, 139 << 30), gpu("T4", 7, 5, 15 << 30), gpu("GTX 960", 5, 2, 4 << 30), gpu("B200", 10, 0)]
    devices = asked(Case(CudaRule, "", gpus=gpus))
    assert [device.name for device in devices] == ["cuda:0", "cuda:1", "cuda:2", "cuda:3"]
    assert [device.description for device in devices] == ["H200", "T4", "GTX 960", "B200"]
    assert devices[0].memory_bytes == 139 << 30
    assert [device.precisions[0] for device in devices] == ["bf16", "fp16", "fp32", "bf16"]
    assert [device.available for device in devices] == [True, False, False, True]
    assert "no kernels for its compute capability 5.2" in devices[2].reason
    assert devices[0].pci_address == "0000:1a:00.0"


def test_gpus_of_amd_have_names_of_their_own(asked: Callable[[Case], Sequence[Device]]) -> None:
    gpus = [gpu("MI300X", arch="gfx942:sramecc+"), gpu("MI50", arch="gfx906")]
    devices = asked(Case(RocmRule, "", build=ROCM, gpus=gpus))
    assert [(device.name, device.precisions[0]) for device in devices] == [("rocm:0", "bf16"), ("rocm:1", "fp16")]


def test_apples_gpu_is_one_and_computes_exactly_unless_asked(asked: Callable[[Case], Sequence[Device]]) -> None:
    (device,) = asked(Case(MpsRule, "", build=PLAIN, system=Machine("Darwin", "arm64"), gpus=[gpu("M4")]))
    assert (device.name, device.precisions) == ("mps", ("fp32", "fp16", "bf16"))


@pytest.mark.parametrize("name", ["CPU", "cuda:", "cuda:-1", "cuda:x", "rocm:0", "cuda:٣"])
def test_a_device_of_another_name_is_refused_with_those_that_there_are(name: str) -> None:
    install()
    rule = rule_of(CudaRule)
    if name == "cuda:":
        assert rule.open(name).torch_name.endswith(":0")
        return
    with pytest.raises(PreconditionError, match=r"has no device .* it has: cuda:0") as refusal:
        rule.open(name)
    assert refusal.value.reason == "unknown_device"


def test_what_pytorch_was_built_for_is_read_without_importing_it(tmp_path: Path) -> None:
    build = installed_build()
    assert build is not None
    assert (build.version, build.cuda, build.hip) == (
        torch.__version__,
        torch.version.cuda or "",
        torch.version.hip or "",
    )
    for text in ("", "__version__ = 1\ncuda = None\nhip = f()", "def"):
        (tmp_path / "version.py").write_text(text)
        assert read_build(tmp_path / "version.py") == TorchBuild("")
    assert read_build(tmp_path / "no.py") == TorchBuild("")


def test_this_machine_is_asked_for_gpus_without_a_failure() -> None:
    program = (
        "import sys; from panope_backends.plugins import load_backend\n"
        "for name in ('torch-cuda', 'torch-rocm', 'mps'):\n"
        "    for device in load_backend(name).devices():\n"
        "        assert device.available or device.reason, device\n"
        "        print(device.backend, device.available, device.reason)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= 3
