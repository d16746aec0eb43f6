"""Servers elsewhere whose models are variants here: how one is described, and which may be called."""
