"""Reads what a model's files say, and never runs them."""
