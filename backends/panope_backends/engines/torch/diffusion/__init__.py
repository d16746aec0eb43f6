"""Pipelines of diffusers: what they are told by their files, how they are loaded, and how they draw step by step."""
