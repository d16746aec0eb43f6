"""The routes that draw images."""
