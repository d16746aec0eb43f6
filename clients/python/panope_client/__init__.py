"""Panope's Python client."""
