"""Tiny seeded models that hear or speak."""
