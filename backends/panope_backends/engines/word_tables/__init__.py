"""Words looked up in tables by NumPy, without a tensor library."""
