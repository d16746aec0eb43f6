"""The registry's schema, step by step."""

HEAD = "0016"
"""The newest version; a test compares it with the versions folder."""
