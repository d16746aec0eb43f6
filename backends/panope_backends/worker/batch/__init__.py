"""Batches of one model: how they are formed, padded and run."""
