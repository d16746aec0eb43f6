"""Task adapters: typed requests to tensors and back."""
