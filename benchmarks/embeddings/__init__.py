"""Embeddings beside the raw engine."""
