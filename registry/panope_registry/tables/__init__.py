"""The tables, the engine that opens them, and their migrations."""
