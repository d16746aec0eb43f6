"""Conversations: a model's chat template, and what its answers hold beside text."""
