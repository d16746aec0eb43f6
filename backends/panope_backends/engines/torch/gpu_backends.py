"""The backends that run PyTorch on GPUs."""

from __future__ import annotations

from panope_backends.engines.torch.devices.cuda import CudaRule
from panope_backends.engines.torch.devices.mps import MpsRule
from panope_backends.engines.torch.devices.rocm import RocmRule
from panope_backends.engines.torch.torch_backend import TorchBackend


class TorchCudaBackend(TorchBackend):
    """NVIDIA's GPUs."""

    name = "torch-cuda"
    rule = CudaRule()


class TorchRocmBackend(TorchBackend):
    """AMD's GPUs."""

    name = "torch-rocm"
    rule = RocmRule()


class MpsBackend(TorchBackend):
    """Apple's GPUs."""

    name = "mps"
    rule = MpsRule()
