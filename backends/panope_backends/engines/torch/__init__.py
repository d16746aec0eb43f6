"""The cpu engine: PyTorch for safetensors, ONNX Runtime for ONNX; each is imported when a model needs it."""

from panope_backends.engines.torch.backend import CpuBackend

__all__ = ["CpuBackend"]
