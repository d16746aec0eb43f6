"""Models of transformers that hear or speak, run in PyTorch."""
