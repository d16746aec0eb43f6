"""The registry's schema, step by step."""

HEAD = "0014"
"""The newest version; a test compares it with the versions folder."""
