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
from fake_gpu import MODULE, Machine, gpu, install, rule_of

from panope_backends.api import Device
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

CASES = {
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
