"""The engine PyTorch. An engine is what runs a model, a backend is an engine on a kind of device, and each has a name.

The backend `cpu` is this engine on processors, with ONNX Runtime for ONNX; `torch-cuda`, `torch-rocm` and `mps` are it
on GPUs. Each of the libraries is imported when a model needs it.
"""

from panope_backends.engines.torch.backend import CpuBackend
from panope_backends.engines.torch.gpu_backends import MpsBackend, TorchCudaBackend, TorchRocmBackend

__all__ = ["CpuBackend", "MpsBackend", "TorchCudaBackend", "TorchRocmBackend"]
