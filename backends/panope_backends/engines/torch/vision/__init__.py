"""Models of images that transformers has: which there are, and how they run in PyTorch."""
