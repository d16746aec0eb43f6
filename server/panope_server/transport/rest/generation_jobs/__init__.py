"""The routes that accept generations as jobs."""
