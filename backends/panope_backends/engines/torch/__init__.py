"""The engine PyTorch. An engine is what runs a model, a backend is an engine on a kind of device, and each has a name.

The backend `cpu` is this engine on processors, with ONNX Runtime for ONNX; each is imported when a model needs it.
"""

from panope_backends.engines.torch.backend import CpuBackend

__all__ = ["CpuBackend"]
