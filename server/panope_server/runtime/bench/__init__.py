"""Measures the candidates to run a model on this machine."""
