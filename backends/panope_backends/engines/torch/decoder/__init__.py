"""Decoders of transformers: how they are loaded, and how each layer's attention is computed elsewhere."""
