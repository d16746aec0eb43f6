"""A GPU that stands for every kind of GPU, for machines that have none.

PyTorch takes it for a device of its own. Its tensors lie in the machine's memory and are computed there, but as on a
real one no operation takes them together with tensors of the processor, nothing reads them but a copy, and there is
only so much memory. What a test of the engine on it leaves untested is the GPU's arithmetic, and PyTorch's name for it.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import torch
from fake_flash import flash_attention
from torch.nn.attention import varlen
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from panope_backends.engines.torch.devices.build import TorchBuild
from panope_backends.engines.torch.devices.cuda import CudaRule
from panope_backends.engines.torch.devices.mps import MpsRule
from panope_backends.engines.torch.devices.rocm import RocmRule
from panope_backends.engines.torch.devices.rule import GpuRule
from panope_backends.engines.torch.devices.system import System
from panope_backends.engines.torch.torch_backend import TorchBackend

TYPE = "fakegpu"
MEMORY_BYTES = 1 << 40


class Memory:
    """What is allocated on the fake.

    Attributes:
        limit_bytes: past which an allocation fails.
        refused: how many have failed.
        emptied: how often the memory that was kept was given back.
        peak_bytes: the most that was allocated at a time.
    """

    def __init__(self) -> None:
        self.limit_bytes, self.refused, self.emptied = MEMORY_BYTES, 0, 0
        self.peak_bytes = 0
        self._live: dict[int, list[int]] = {}  # a storage's address -> its size, and how many tensors are in it

    @property
    def used_bytes(self) -> int:
        return sum(size for size, _ in self._live.values())

    def take(self, tensor: torch.Tensor) -> int:
        storage = tensor.untyped_storage()
        place, size = storage.data_ptr(), storage.nbytes()
        if place not in self._live:
            if self.used_bytes + size > self.limit_bytes:
                self.refused += 1
                raise torch.OutOfMemoryError(f"fake GPU out of memory. Tried to allocate {size} bytes")
            self._live[place] = [size, 0]
            self.peak_bytes = max(self.peak_bytes, self.used_bytes)
        self._live[place][1] += 1
        return place

    def give_back(self, place: int) -> None:
        self._live[place][1] -= 1
        if not self._live[place][1]:
            del self._live[place]


MEMORY = Memory()


class FakeTensor(torch.Tensor):
    """A tensor on the fake, around one of the processor."""

    raw: torch.Tensor

    @staticmethod
    def __new__(cls, raw: torch.Tensor) -> FakeTensor:
        made = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            raw.shape,
            strides=raw.stride(),
            storage_offset=raw.storage_offset(),
            dtype=raw.dtype,
            device=torch.device(TYPE, 0),
        )
        made.raw = raw
        weakref.finalize(made, MEMORY.give_back, MEMORY.take(raw))
        return made  # type: ignore[no-any-return]

    def tolist(self) -> Any:
        return self.raw.tolist()

    def __format__(self, spec: str) -> str:
        return format(self.raw, spec)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, *args, **(kwargs or {}))


def _run(func: Any, *args: Any, **kwargs: Any) -> Any:
    # Tensors that were made in inference mode could not be told from others' views.
    with torch.inference_mode(False), torch.no_grad():
        name = func._schema.name
        if name in ("aten::_copy_from", "aten::copy_"):
            target, source = args[:2] if name == "aten::copy_" else (args[1], args[0])
            _raw(target).copy_(_raw(source))
            return target
        if name == "aten::_has_compatible_shallow_copy_type":
            return isinstance(args[0], FakeTensor) == isinstance(args[1], FakeTensor)
        if name == "aten::to":
            return func.decompose(*args, **kwargs)
        if name == "aten::histc" and not args[0].is_floating_point():  # which GPUs count too
            return _run(func, args[0].float(), *args[1:], **kwargs).to(args[0].dtype)
        if name == "torch_attn::_varlen_attn":  # which only calls the kernel
            return varlen._varlen_attn._init_fn(*args, **kwargs)
        if name == "aten::_to_copy":
            return _copied(func, args[0], kwargs)
        return _computed(func, name, args, kwargs)


def _copied(func: Any, source: torch.Tensor, kwargs: dict[str, Any]) -> torch.Tensor:
    device = kwargs.pop("device", None)
    kwargs.pop("non_blocking", None)
    made = func(_raw(source), **kwargs, device="cpu")
    goes_away = device is not None and torch.device(device).type == "cpu"
    return made.clone() if goes_away else FakeTensor(made)


def _computed(func: Any, name: str, args: Any, kwargs: dict[str, Any]) -> Any:
    given: list[torch.Tensor] = []
    tree_map(lambda value: given.append(value) if isinstance(value, torch.Tensor) else None, (args, kwargs))
    if any(not isinstance(tensor, FakeTensor) and tensor.dim() for tensor in given):
        raise RuntimeError(f"Expected all tensors to be on the same device, but found {TYPE}:0 and cpu ({name})")
    if "device" in kwargs:
        kwargs = {key: value for key, value in kwargs.items() if key != "pin_memory"} | {"device": "cpu"}
    mine = {id(tensor.raw): tensor for tensor in given if isinstance(tensor, FakeTensor)}
    compute = flash_attention if name == "aten::_flash_attention_forward" else func
    made = compute(*tree_map(_raw, args), **tree_map(_raw, kwargs))

    def wrapped(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return mine[id(value)] if id(value) in mine else FakeTensor(value)

    return tree_map(wrapped, made)


def _raw(value: Any) -> Any:
    return value.raw if isinstance(value, FakeTensor) else value


class Module:
    """What PyTorch has of a kind of device, as `torch.cuda` and `torch.mps` have it."""

    def __init__(self) -> None:
        self.gpus = [gpu("NVIDIA Fake 100")]
        self.built_for = ("sm_80", "sm_90", "compute_90")
        self.error: Exception | None = None

    # What PyTorch itself asks for.

    def is_initialized(self) -> bool:
        return True

    def is_available(self) -> bool:
        return bool(self.gpus)

    def current_device(self) -> int:
        return 0

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed_all(self, seed: int) -> None:
        del seed

    # What rules and devices ask for.

    def init(self) -> None:
        if self.error is not None:
            raise self.error

    def device_count(self) -> int:
        return len(self.gpus)

    def get_device_properties(self, number: int) -> SimpleNamespace:
        return self.gpus[number]

    def get_arch_list(self) -> tuple[str, ...]:
        return self.built_for

    def recommended_max_memory(self) -> int:
        return int(self.gpus[0].total_memory)

    def mem_get_info(self, device: Any = None) -> tuple[int, int]:
        del device
        return MEMORY.limit_bytes - MEMORY.used_bytes, MEMORY.limit_bytes

    def memory_reserved(self, device: Any = None) -> int:
        del device
        return MEMORY.used_bytes

    memory_allocated = memory_reserved

    def empty_cache(self) -> None:
        MEMORY.emptied += 1

    def synchronize(self, device: Any = None) -> None:
        del device


def gpu(name: str, major: int = 9, minor: int = 0, memory_bytes: int = MEMORY_BYTES, arch: str = "") -> SimpleNamespace:
    """What a driver says of a GPU."""
    place = {"pci_domain_id": 0, "pci_bus_id": 26, "pci_device_id": 0}
    return SimpleNamespace(name=name, major=major, minor=minor, total_memory=memory_bytes, gcnArchName=arch, **place)


MODULE = Module()
_LIBRARY = torch.library.Library("_", "IMPL")


def install() -> None:
    """Makes it known to PyTorch; once in a process, and for good."""
    if getattr(torch, TYPE, None) is not None:
        return
    _setup_privateuseone_for_python_backend(TYPE, MODULE)
    _LIBRARY.fallback(_run, "PrivateUse1")  # what makes tensors there
    torch.Tensor.pin_memory = lambda tensor, device=None: tensor.clone()  # type: ignore[method-assign]


class Constructors(TorchFunctionMode):
    """While it is entered, PyTorch makes tensors of numbers on the fake too, as on no other device in Python."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        options = dict(kwargs or {})
        device = options.get("device") if func in (torch.tensor, torch.as_tensor) else None
        if device is None or torch.device(device).type != TYPE:
            return func(*args, **options)
        return func(*tree_map(_raw, args), **{**options, "device": "cpu"}).to(device)


@contextmanager
def limited(more_bytes: int) -> Iterator[Memory]:
    """Leaves so much memory free, and no more."""
    usual = MEMORY.limit_bytes
    MEMORY.limit_bytes, MEMORY.refused, MEMORY.emptied = MEMORY.used_bytes + more_bytes, 0, 0
    try:
        yield MEMORY
    finally:
        MEMORY.limit_bytes = usual


class Machine(System):
    """A machine where a driver is and may be used, unless told otherwise."""

    def __init__(self, name: str = "Linux", machine: str = "x86_64", **environment: str) -> None:
        super().__init__(name, machine, environment)

    def has_library(self, name: str) -> bool:
        return True

    def has(self, path: str) -> bool:
        return path != "/dev/dxg"

    def matching(self, folder: str, pattern: str) -> list[str]:
        return [f"{folder}/{pattern.partition('*')[0].partition('[')[0]}0"]

    def may_use(self, path: str) -> bool:
        return True


def rule_of(kind: type[GpuRule], **changes: Any) -> GpuRule:
    """A rule whose devices the fake stands for."""
    builds = {CudaRule: TorchBuild("2.15.0+cu132", cuda="13.2"), RocmRule: TorchBuild("2.15.0+rocm7", hip="7.1")}
    mac = {"system": Machine("Darwin", "arm64")} if kind is MpsRule else {"system": Machine()}
    build = builds.get(kind, TorchBuild("2.15.0"))
    return kind(**{"build": lambda: build, "torch_type": TYPE, **mac, **changes})


class FakeCudaBackend(TorchBackend):
    """`torch-cuda` on the fake."""

    name = "torch-cuda"
    rule = rule_of(CudaRule)

    def __init__(self) -> None:
        install()


class FakePairBackend(FakeCudaBackend):
    """Two GPUs, as a server can be given by `--backend fake_gpu:FakePairBackend`."""

    def __init__(self) -> None:
        super().__init__()
        MODULE.gpus = [gpu("NVIDIA Fake 100", memory_bytes=8 << 30)] * 2
        Constructors().__enter__()  # for as long as the process lives


class FakeRocmBackend(FakeCudaBackend):
    """`torch-rocm` on the fake."""

    name = "torch-rocm"
    rule = rule_of(RocmRule)


class FakeMpsBackend(FakeCudaBackend):
    """`mps` on the fake."""

    name = "mps"
    rule = rule_of(MpsRule)


GPU_BACKENDS: tuple[type[TorchBackend], ...] = (FakeCudaBackend, FakeRocmBackend, FakeMpsBackend)
