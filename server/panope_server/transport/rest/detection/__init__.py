"""The routes that look for things in images."""
