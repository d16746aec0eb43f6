"""Chooses the variant, backend and device that a model runs on."""
