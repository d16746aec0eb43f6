"""Text generation over any step model: free of devices, models and PyTorch."""
