"""The content-addressed store of one machine."""
