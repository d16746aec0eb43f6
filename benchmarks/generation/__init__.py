"""Generation: its core, its engines, and what callers get of it."""
