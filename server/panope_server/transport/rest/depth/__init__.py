"""The routes that estimate depth."""
