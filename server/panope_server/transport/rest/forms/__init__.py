"""Bodies that are forms."""
