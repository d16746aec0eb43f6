"""Tiny seeded models that see, or make images and videos."""
