"""What becomes of a loaded model that generates: its engine, what answers before it, and adapters beside it."""
