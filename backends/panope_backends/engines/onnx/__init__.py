"""ONNX files: run by ONNX Runtime, and exported from PyTorch."""
