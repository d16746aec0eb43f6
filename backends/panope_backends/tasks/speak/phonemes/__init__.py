"""Texts as phonemes."""
