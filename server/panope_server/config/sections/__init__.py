"""The sections of `panope.toml`."""
