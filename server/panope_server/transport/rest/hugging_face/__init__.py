"""Hugging Face's routes of one task."""
