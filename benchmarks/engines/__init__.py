"""Backends beside each other."""
