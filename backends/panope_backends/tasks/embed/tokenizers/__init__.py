"""Tokenizers of embedding models, as transformers builds them."""
